//! The names of images: registry, port, path and tag.
//!
//! The grammar is that of the OCI distribution specification as the container
//! tools implement it: `[host[:port]/]component[/component...][:tag]`.

use super::error;
use crate::bindings::image::{Error, ErrorKind};

/// The longest repository name, registry included, that the tools accept.
const MAX_NAME: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// A name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Registry and path, lower-cased: a repository name has no capitals.
    pub(super) repository: String,
    /// The tag, as given.
    pub(super) tag: Option<String>,
    /// The last component as it was given.
    pub(super) base_name: String,
}

/// Reads an image's name.
///
/// # Errors
///
/// Everything that the grammar does not allow, with the part that is to blame.
pub(super) fn parse(text: &str) -> Result<Reference, Error> {
    if text.contains('@') {
        return Err(invalid(
            text,
            "a digest says which image it is, and this one is yet to be made",
        )
        .with_hint("leave out the part from `@` on"));
    }
    // A colon after the last slash starts the tag; one before it, the port.
    let start = text.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match text[start..].find(':') {
        Some(colon) => (&text[..start + colon], Some(&text[start + colon + 1..])),
        None => (text, None),
    };
    if let Some(tag) = tag {
        check_tag(tag).map_err(|why| invalid(text, &why))?;
    }
    let repository = name.to_ascii_lowercase();
    check_repository(&repository).map_err(|why| invalid(text, &why))?;
    Ok(Reference {
        repository,
        tag: tag.map(str::to_owned),
        base_name: name.rsplit('/').next().unwrap_or(name).to_owned(),
    })
}

/// Checks a tag: a letter, digit or `_`, then at most 127 of those, `.` and `-`.
pub(super) fn check_tag(tag: &str) -> Result<(), String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = tag.as_bytes();
    match bytes.first() {
        None => Err("the tag is empty".to_owned()),
        Some(&first) if !word(first) => Err(format!(
            "the tag `{tag}` starts with neither a letter, a digit nor `_`"
        )),
        _ if bytes.len() > MAX_TAG => Err(format!(
            "the tag has {} characters, {MAX_TAG} are allowed",
            tag.chars().count()
        )),
        _ => match tag
            .chars()
            .find(|&c| !(c.is_ascii_alphanumeric() || "_.-".contains(c)))
        {
            Some(c) => Err(format!(
                "the tag `{tag}` holds `{c}`; only letters, digits, `_`, `.` and `-` are allowed"
            )),
            None => Ok(()),
        },
    }
}

fn check_repository(repository: &str) -> Result<(), String> {
    if repository.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if repository.len() > MAX_NAME {
        return Err(format!(
            "the name has {} bytes, {MAX_NAME} are allowed",
            repository.len()
        ));
    }
    if repository.len() == 64 && repository.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("64 hexadecimal digits would be taken for an image id".to_owned());
    }
    let path = match repository.split_once('/') {
        Some((host, path)) if is_host(host) => {
            check_host(host)?;
            path
        }
        _ => repository,
    };
    path.split('/').try_for_each(check_component)
}

/// Returns true if a name's first component is a registry and not part of the path.
fn is_host(component: &str) -> bool {
    component.contains(['.', ':']) || component == "localhost"
}

/// `host[:port]`, the host a domain name, an IPv4 address or `[IPv6]`.
fn check_host(text: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("the registry `{text}` {why}"));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if !address.contains(':')
                || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
            {
                return bad("is not an IPv6 address in brackets");
            }
            (
                "",
                rest.strip_prefix(':')
                    .or(if rest.is_empty() { None } else { Some("") }),
            )
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return bad("has a port that is not a number");
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !text.starts_with('[') && !host.split('.').all(label) {
        return bad("is not a host name");
    }
    Ok(())
}

/// Letters and digits, in groups that `.`, `_`, `__` or dashes keep apart.
fn check_component(component: &str) -> Result<(), String> {
    let why = if component.is_empty() {
        "is empty".to_owned()
    } else if let Some(c) = component
        .chars()
        .find(|&c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c)))
    {
        format!("holds `{c}`; only letters, digits, `.`, `_` and `-` are allowed")
    } else if component.starts_with(['.', '_', '-']) || component.ends_with(['.', '_', '-']) {
        "starts or ends with a separator".to_owned()
    } else {
        let separators = component
            .split(|c: char| c.is_ascii_alphanumeric())
            .filter(|s| !s.is_empty());
        let allowed = |s: &str| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-');
        match separators.into_iter().find(|s| !allowed(s)) {
            Some(separator) => {
                format!("holds `{separator}`; separators are `.`, `_`, `__` and dashes")
            }
            None => return Ok(()),
        }
    };
    Err(format!("the component `{component}` {why}"))
}

fn invalid(text: &str, why: &str) -> Error {
    error(
        ErrorKind::InvalidReference,
        "reference",
        format!("`{text}` is not an image name: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let table = [
            ("hello", "hello", None, "hello"),
            ("Hello", "hello", None, "Hello"),
            ("hello:1.2", "hello", Some("1.2"), "hello"),
            (
                "library/hello:Tag_1.2-x",
                "library/hello",
                Some("Tag_1.2-x"),
                "hello",
            ),
            ("ghcr.io/Acme/web", "ghcr.io/acme/web", None, "web"),
            (
                "localhost:5000/a/b/c:t",
                "localhost:5000/a/b/c",
                Some("t"),
                "c",
            ),
            ("localhost:5000/web", "localhost:5000/web", None, "web"),
            (
                "Registry.Example.org:443/x:latest",
                "registry.example.org:443/x",
                Some("latest"),
                "x",
            ),
            ("[2001:db8::1]:5000/x", "[2001:db8::1]:5000/x", None, "x"),
            ("127.0.0.1/x", "127.0.0.1/x", None, "x"),
            ("a__b/c--d/e.f_g", "a__b/c--d/e.f_g", None, "e.f_g"),
            ("x:w3xk8b7k9p5r2n1m", "x", Some("w3xk8b7k9p5r2n1m"), "x"),
        ];
        for (text, repository, tag, base_name) in table {
            let expected = Reference {
                repository: repository.to_owned(),
                tag: tag.map(str::to_owned),
                base_name: base_name.to_owned(),
            };
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_the_grammar_forbids_is_named() {
        let long_name = "a/".repeat(128);
        let id = "0123456789abcdef".repeat(4);
        let long_tag = format!("x:{}", "t".repeat(129));
        let table = [
            ("", "the name is empty"),
            (":tag", "the name is empty"),
            ("a//b", "the component `` is empty"),
            ("/a", "the component `` is empty"),
            ("a/", "the component `` is empty"),
            ("a b", "the component `a b` holds ` `"),
            ("é", "the component `é` holds `é`"),
            ("-a", "the component `-a` starts or ends"),
            ("a_", "the component `a_` starts or ends"),
            ("a..b", "the component `a..b` holds `..`; separators"),
            ("a___b", "the component `a___b` holds `___`"),
            ("a._b", "the component `a._b` holds `._`"),
            ("a:", "the tag is empty"),
            ("a:-x", "the tag `-x` starts with"),
            ("a:b c", "the tag `b c` holds ` `"),
            ("a:b:c", "the tag `b:c` holds `:`"),
            ("host:port/a", "the registry `host:port` has a port"),
            ("host.:80/a", "the registry `host.:80` is not a host name"),
            ("[::1]x/a", "the registry `[::1]x` has a port"),
            ("[zz]:1/a", "the registry `[zz]:1` is not an IPv6"),
            ("a@sha256:00", "a digest says which image"),
            (&id, "64 hexadecimal digits would"),
            (&long_name, "the name has 256 bytes, 255 are allowed"),
            (&long_tag, "the tag has 129 characters, 128 are allowed"),
        ];
        for (text, why) in table {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind, ErrorKind::InvalidReference);
            let prefix = format!("`{text}` is not an image name: {why}");
            assert!(
                error.message.starts_with(&prefix),
                "{} / {prefix}",
                error.message
            );
        }
    }
}
