//! The images that a file or a directory has, for who has to name one.

use std::borrow::Cow;
use std::path::PathBuf;

use terrine_oci::Reference;

/// Images to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    /// Their names, and the numbers or digests of what has none of its own.
    pub names: Vec<String>,
    /// A reference to the first of them.
    pub example: Option<String>,
    /// True where a platform tells them apart.
    pub by_platform: bool,
}

impl Available {
    /// Images of a file or a directory that `image` leads to, of which a transport has these names.
    pub(super) fn new(transport: &str, image: &str, names: Vec<String>) -> Self {
        let path = match image.parse() {
            Ok(
                Reference::DockerArchive { path, .. }
                | Reference::OciLayout { path, .. }
                | Reference::OciArchive { path, .. }
                | Reference::Path(path),
            ) => Some(path),
            Ok(Reference::Stdio) => Some(PathBuf::from("-")),
            _ => None,
        };
        // No path with a colon can stand before a name.
        let path = path.filter(|path| !path.to_string_lossy().contains([':', '@']));
        let example = path.zip(names.first()).map(|(path, name)| {
            let colon = if name.starts_with("@sha256:") {
                ""
            } else {
                ":"
            };
            format!("{transport}:{}{colon}{name}", path.display())
        });
        Self {
            names,
            example,
            by_platform: false,
        }
    }

    /// Tells how to name one.
    pub(super) fn hint(&self) -> Option<Cow<'_, str>> {
        self.names.first()?;
        let mut hint = match &self.example {
            Some(example) => format!("name one of these, as in `{example}`"),
            None => "name one of these after the path".to_owned(),
        };
        if self.by_platform {
            hint += ", or a platform by `--platform`";
        }
        Some(hint.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hint_names_is_a_reference_to_an_image() {
        for (transport, image, name, expected) in [
            ("oci", "oci:a/b:web", "api", "oci:a/b:api"),
            ("oci", "a/b", "@1", "oci:a/b:@1"),
            ("oci-archive", "x.tar", "web", "oci-archive:x.tar:web"),
            (
                "docker-archive",
                "two.tar",
                "y:1",
                "docker-archive:two.tar:y:1",
            ),
            (
                "docker-archive",
                "docker-archive:two.tar:z",
                "y:1",
                "docker-archive:two.tar:y:1",
            ),
            ("docker-archive", "-", "y:1", "docker-archive:-:y:1"),
        ] {
            let available = Available::new(transport, image, vec![name.to_owned()]);
            assert_eq!(available.example.as_deref(), Some(expected));
            assert!(expected.parse::<Reference>().is_ok(), "{expected}");
        }
        let digest = format!("@sha256:{}", "0".repeat(64));
        let available = Available::new("oci", "oci:a:1", vec![digest.clone()]);
        assert_eq!(available.example, Some(format!("oci:a{digest}")));
    }

    #[test]
    fn a_platform_is_only_named_where_it_helps() {
        let mut available = Available::new("oci", "a", vec!["web".to_owned()]);
        let text = "name one of these, as in `oci:a:web`";
        assert_eq!(available.hint().as_deref(), Some(text));
        available.by_platform = true;
        let text = "name one of these, as in `oci:a:web`, or a platform by `--platform`";
        assert_eq!(available.hint().as_deref(), Some(text));
        assert_eq!(Available::default().hint(), None);
    }
}
