//! The tags of an image: the one that it is known by here, and those that it gets as well.

use terrine_oci::{Repository, without_login};
use terrine_planner_host::image::Resolved;

use super::Error;
use crate::spec::ImageSpec;

/// Returns the tag that the specification gives beside the name: `tag`, or the first of `tags` if
/// the name has none.
pub(super) fn first(spec: &ImageSpec) -> Option<String> {
    let name = spec.name.as_deref().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    let tags = spec.tags.0.first().filter(|_| !last.contains(':'));
    spec.tag.as_ref().or(tags).cloned()
}

/// Returns all tags that a specification gives, with that of its name; none if the tag is generated.
pub fn given(spec: &ImageSpec) -> Vec<String> {
    let name = spec.name.as_deref().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    let own = last.split_once(':').map(|(_, tag)| tag.to_owned());
    let all = spec.tag.iter().cloned().chain(own);
    let mut tags: Vec<String> = vec![];
    for tag in all.chain(spec.tags.0.iter().cloned()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Returns the tags that the image gets beside the first one.
pub(super) fn others(spec: &ImageSpec, resolved: &Resolved) -> Result<Vec<String>, Error> {
    let mut others: Vec<String> = vec![];
    for (number, tag) in spec.tags.0.iter().enumerate() {
        let read = format!("image:{tag}").parse::<Repository>();
        if !read.is_ok_and(|read| read.tag.as_ref() == Some(tag)) {
            return Err(Error::hinted(
                format!("tags[{number}]"),
                format!("`{}` is not a tag", without_login(tag)),
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with one of the first three",
            ));
        }
        if *tag != resolved.tag && !others.contains(tag) {
            others.push(tag.clone());
        }
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::OneOrMany;

    fn spec(name: &str, tag: Option<&str>, tags: &[&str]) -> ImageSpec {
        ImageSpec {
            name: Some(name.to_owned()),
            tag: tag.map(str::to_owned),
            tags: OneOrMany(tags.iter().map(ToString::to_string).collect()),
            ..ImageSpec::default()
        }
    }

    #[test]
    fn all_tags_are_given_once() {
        for (name, tag, tags, expected) in [
            ("web", None, &[][..], &[][..]),
            ("localhost:5000/web", None, &["1", "2"], &["1", "2"]),
            ("localhost:5000/web:0", None, &["1", "0"], &["0", "1"]),
            ("web", Some("0"), &["1"], &["0", "1"]),
        ] {
            assert_eq!(given(&spec(name, tag, tags)), expected, "{name}");
        }
    }

    #[test]
    fn the_first_tag_is_that_of_the_image() {
        for (name, tag, tags, expected) in [
            ("web", None, &["1", "2"][..], Some("1")),
            ("web:0", None, &["1"], None),
            ("localhost:5000/web", None, &["1"], Some("1")),
            ("web", Some("0"), &["1"], Some("0")),
            ("web", None, &[], None),
        ] {
            let spec = spec(name, tag, tags);
            assert_eq!(first(&spec).as_deref(), expected, "{name} {tag:?} {tags:?}");
        }
    }
}
