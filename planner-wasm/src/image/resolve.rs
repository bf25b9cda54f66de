//! `resolve`: everything about an image that is known before its bytes are.

use super::{budget, config, error, platform, reference, render, tag};
use crate::bindings::image::{Error, ErrorKind, ResolveRequest, Resolved};

/// Decides what can be decided before any byte is read.
///
/// # Errors
///
/// A name, tag, platform, budget or configuration that is not allowed, with the
/// field that is to blame.
pub fn resolve(request: &ResolveRequest) -> Result<Resolved, Error> {
    let reference = reference::parse(&request.reference)?;
    let platform = platform::parse(&request.platform, request.variant.as_deref())?;
    let store_layers = budget::store_layers(request)?;
    let config = config::resolve(request)?;
    render::check_config(&config)?;
    let given = given_tag(request, reference.tag)?;
    let remarks = platform
        .foreign_os
        .as_deref()
        .map(foreign_os)
        .into_iter()
        .collect();
    Ok(Resolved {
        repository: reference.repository,
        tag_generated: given.is_none(),
        tag: given.unwrap_or_else(|| tag::generate(request)),
        base_name: reference.base_name,
        os: "linux".to_owned(),
        architecture: platform.architecture.to_owned(),
        variant: platform.variant,
        config: config.to_string(),
        store_layers,
        remarks,
    })
}

/// The tag that was given, in the name or apart from it.
fn given_tag(request: &ResolveRequest, in_name: Option<String>) -> Result<Option<String>, Error> {
    let Some(tag) = &request.tag else {
        return Ok(in_name);
    };
    reference::check_tag(tag).map_err(|why| error(ErrorKind::InvalidReference, "tag", why))?;
    match in_name {
        Some(other) if other != *tag => Err(error(
            ErrorKind::InvalidReference,
            "tag",
            format!(
                "the tag is given twice: `{tag}`, and `{other}` in `{}`",
                request.reference
            ),
        )),
        _ => Ok(Some(tag.clone())),
    }
}

fn foreign_os(os: &str) -> String {
    format!(
        "the platform is one of `{os}`, but images are made for linux: its programs would not run there"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(reference: &str, tag: Option<&str>) -> ResolveRequest {
        ResolveRequest {
            reference: reference.to_owned(),
            tag: tag.map(str::to_owned),
            platform: "aarch64-linux".to_owned(),
            config: r#"{"Cmd":["/bin/x"],"Env":["A=1.50"]}"#.to_owned(),
            max_layers: Some(10),
            ..super::super::tests::request()
        }
    }

    #[test]
    fn everything_known_before_the_bytes_is_there() {
        let resolved = resolve(&request("Ghcr.io/Acme/Web", None)).unwrap();
        assert_eq!(resolved.repository, "ghcr.io/acme/web");
        assert_eq!(resolved.base_name, "Web");
        assert_eq!(
            (resolved.os.as_str(), resolved.architecture.as_str()),
            ("linux", "arm64")
        );
        assert_eq!(resolved.variant, None);
        assert_eq!(resolved.config, r#"{"Cmd":["/bin/x"],"Env":["A=1.50"]}"#);
        assert_eq!(resolved.store_layers, Some(9));
        assert!(resolved.tag_generated && resolved.tag.len() == 32);
        assert!(resolved.remarks.is_empty());
    }

    #[test]
    fn a_tag_is_taken_from_the_name_or_from_beside_it() {
        let tag = |name, tag| resolve(&request(name, tag)).map(|r| (r.tag, r.tag_generated));
        assert_eq!(tag("a:1", None), Ok(("1".to_owned(), false)));
        assert_eq!(tag("a", Some("2")), Ok(("2".to_owned(), false)));
        assert_eq!(tag("a:2", Some("2")), Ok(("2".to_owned(), false)));
        let twice = resolve(&request("a:1", Some("2"))).unwrap_err();
        assert_eq!(
            twice.message,
            "the tag is given twice: `2`, and `1` in `a:1`"
        );
        assert_eq!(
            resolve(&request("a", Some(""))).unwrap_err().message,
            "the tag is empty"
        );
    }

    #[test]
    fn a_number_that_cannot_be_rendered_is_refused_before_any_byte() {
        let huge = ResolveRequest {
            config: r#"{"x": [1e999]}"#.to_owned(),
            ..request("a", None)
        };
        let error = resolve(&huge).unwrap_err();
        assert_eq!(error.message, "`1e+999` is too large a number");
    }

    #[test]
    fn another_system_is_remarked_on() {
        let darwin = ResolveRequest {
            platform: "aarch64-darwin".to_owned(),
            ..request("a", None)
        };
        let resolved = resolve(&darwin).unwrap();
        assert_eq!((resolved.os.as_str(), resolved.remarks.len()), ("linux", 1));
    }
}
