//! Files and directories of this machine that a specification names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use crate::spec::ImageSpec;

/// The minimum similarity of two names, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.85;

/// Returns the place that a field names, where something has to be.
///
/// Only its existence is checked: the code that reads it reports other problems.
pub(super) fn existing(
    spec: &ImageSpec,
    field: &str,
    named: impl AsRef<Path>,
) -> Result<PathBuf, Error> {
    let named = named.as_ref();
    let place = spec.directory_join(named);
    match fs::metadata(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Missing {
            field: field.to_owned(),
            why: missing(named, &place) + &spec.start(named),
            hint: remedy(field, &place),
        }),
        _ => Ok(place),
    }
}

/// Tells what is missing: a link is there where its target is not.
fn missing(named: &Path, place: &Path) -> String {
    let named = named.display();
    match fs::read_link(place) {
        Ok(target) => format!(
            "`{named}` is a link to `{}`, which does not exist",
            target.display()
        ),
        Err(_) => format!("the file or directory `{named}` does not exist"),
    }
}

/// Returns a remedy for a missing path: a name that is much like the missing one may be meant.
fn remedy(field: &str, place: &Path) -> String {
    if field == "planner.component" {
        return "name the file of a component; `terrine planner list` shows the policies that are built in"
            .to_owned();
    }
    match alike(place) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "correct the path, or create the file or directory first".to_owned(),
    }
}

/// The name beside a place that is most like its own.
fn alike(place: &Path) -> Option<String> {
    let wanted = place.file_name()?.to_str()?;
    let names = fs::read_dir(place.parent()?).ok()?;
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let likeness = |name: &str| strsim::jaro_winkler(wanted, name);
    let mut alike: Vec<String> = names
        .filter(|name| name != wanted && likeness(name) >= ALIKE)
        .collect();
    alike.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then_with(|| a.cmp(b)));
    alike.into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_relative_path_is_told_with_the_place_where_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        symlink("nowhere", at.join("link")).unwrap();
        let of = |directory: &Path, named: &str| {
            let spec = ImageSpec {
                directory: directory.to_owned(),
                ..ImageSpec::default()
            };
            existing(&spec, "contents[0]", named).map_err(|error| error.to_string())
        };
        let folder = format!(
            " (relative to the folder of the specification, `{}`)",
            at.display()
        );
        let missing = "`contents[0]`: the file or directory";
        let not = "does not exist";
        assert_eq!(of(at, "a"), Err(format!("{missing} `a` {not}{folder}")));
        let link = "`contents[0]`: `link` is a link to `nowhere`, which does not exist";
        assert_eq!(of(at, "link"), Err(format!("{link}{folder}")));
        let absolute = at.join("a").display().to_string();
        assert_eq!(
            of(at, &absolute),
            Err(format!("{missing} `{absolute}` {not}"))
        );
        let here = std::env::current_dir().unwrap();
        let here = format!(" (relative to the working directory, `{}`)", here.display());
        let stdin = of(Path::new(""), "not-there");
        assert_eq!(stdin, Err(format!("{missing} `not-there` {not}{here}")));
        assert_eq!(of(at, "."), Ok(at.join(".")));
        assert_eq!(remedy("contents", &at.join("lnik")), "did you mean `link`?");
        assert!(remedy("contents", &at.join("other")).starts_with("correct the path"));
    }
}
