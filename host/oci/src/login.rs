//! Users and passwords that are written in references, where nobody keeps them. They are not repeated.

use std::borrow::Cow;

/// Transports and schemes before which a login may be written.
const TRANSPORTS: [&str; 10] = [
    "docker",
    "http",
    "https",
    "oci",
    "oci-archive",
    "docker-archive",
    "docker-daemon",
    "containers-storage",
    "dir",
    "file",
];

/// Those of registries.
const REGISTRIES: usize = 3;

/// The number of hexadecimal digits from which on a text is a digest, of whatever algorithm.
const LEAST_HEX: usize = 32;

/// The shortest login or query that is looked for within other words, in characters.
const SHORTEST: usize = 5;

/// Returns the text of a reference, or of what should be one, for a message: without a user and a password that are
/// written in it, and without a query, which may be a signature. A digest stays.
pub fn without_login(text: &str) -> Cow<'_, str> {
    let login = parts(text);
    let (transport, rest) = login.unwrap_or_else(|| transport(text));
    let shown = if login.is_some() { "…@" } else { "" };
    match rest.split_once('?') {
        Some((rest, query)) if is_url(transport) || is_query(query) => {
            format!("{transport}{shown}{rest}?…").into()
        }
        _ if login.is_some() => format!("{transport}{shown}{rest}").into(),
        _ => text.into(),
    }
}

/// Returns a message about a text without the user and the password that are written in the text, and without its query,
/// also if the message has only a part of it. A file of an image format may have an `@` in its name.
pub fn without_login_of(text: &str, message: &str) -> String {
    let (transport, mut rest) = transport(text);
    let mut shown = message.to_owned();
    let login = parts(text).filter(|(transport, _)| may_be_registry(transport));
    if let Some((transport, host)) = login {
        let login = &text[transport.len()..text.len() - host.len()];
        // Whoever splits the text at its colons has a part of the login.
        let password = login.split_once(':').map_or("", |(_, password)| password);
        shown = replace(&shown, login, "…@").replace(text, &without_login(text));
        shown = replace(&shown, password, "…@");
        rest = host;
    }
    match rest.split_once('?') {
        Some((_, query)) if is_url(transport) || is_query(query) => {
            replace(&shown, &format!("?{query}"), "?…")
        }
        _ => shown,
    }
}

/// Replaces what may be secret, unless it is so short that it may be a part of anything.
fn replace(message: &str, secret: &str, with: &str) -> String {
    if secret.chars().count() < SHORTEST {
        return message.to_owned();
    }
    message.replace(secret, with)
}

/// Returns what is before a query.
pub(super) fn without_query(text: &str) -> &str {
    text.split('?').next().unwrap_or_default()
}

/// Tells whether what is after a `?` is probably a query, also where a URL lacks its start.
fn is_query(text: &str) -> bool {
    text.contains('=') && !text.contains(char::is_whitespace)
}

/// Tells whether a reference to a registry, or a URL, has a query.
pub(super) fn has_query(text: &str) -> bool {
    let (transport, rest) = transport(text);
    is_url(transport) && rest.contains('?')
}

/// The remedy for a login in a reference.
const REMEDY: &str = "log in with `terrine login`, which stores the password where docker and podman do, or give `--creds USER:PASSWORD`";

/// Returns what to do about a login, and how to write the reference if that is wrong as well.
pub(super) fn remedy(transport: &str, host: &str) -> String {
    match transport {
        "docker://" => REMEDY.to_owned(),
        "" => {
            format!("write `docker://{host}`, and {REMEDY}; a file of this name starts with `./`")
        }
        _ => format!("write `docker://{host}`, and {REMEDY}"),
    }
}

/// Tells whether a login before a host may be meant, and not a part of the name of a file.
pub(super) fn may_be_registry(transport: &str) -> bool {
    transport.is_empty() || is_url(transport)
}

/// Tells whether a host follows a transport.
fn is_url(transport: &str) -> bool {
    let name = transport.trim_end_matches(['/', ':']);
    let is_registry = TRANSPORTS[..REGISTRIES]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    transport.ends_with("//") || is_registry
}

/// Returns what a reference with a login says without it: the transport, and the rest.
pub(super) fn parts(text: &str) -> Option<(&str, &str)> {
    // Such a start is that of a path.
    if text.starts_with(['.', '/', '~']) {
        return None;
    }
    let (transport, rest) = transport(text);
    let name = match rest.rsplit_once('@') {
        Some((name, digest)) if is_digest(digest) => name,
        _ => rest,
    };
    let (before, after) = name.rsplit_once('@')?;
    let is_login = is_user_and_password(before, after) || is_url(transport) && is_place(after);
    is_login.then(|| (transport, &rest[before.len() + 1..]))
}

/// Splits the transport off.
fn transport(text: &str) -> (&str, &str) {
    for registry in &TRANSPORTS[..REGISTRIES] {
        // The colon is forgotten.
        let is_meant = text
            .get(..registry.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(registry));
        if is_meant && text[registry.len()..].starts_with("//") {
            return text.split_at(registry.len() + "//".len());
        }
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return ("", text);
    };
    let is_known = TRANSPORTS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme));
    if !is_known && !rest.starts_with("//") {
        return ("", text);
    }
    let bare = rest.trim_start_matches('/');
    text.split_at(text.len() - bare.len())
}

/// Tells whether `USER:PASSWORD` is before an `@`, and not a name with a tag or a port.
fn is_user_and_password(before: &str, after: &str) -> bool {
    let Some((user, password)) = before.split_once(':') else {
        return false;
    };
    let port = password.split('/').next().unwrap_or_default();
    let is_port = password.contains('/') && port.bytes().all(|byte| byte.is_ascii_digit());
    !user.contains('/') && !password.is_empty() && (!is_port || is_place(after))
}

/// Tells whether a text has what hosts and paths have.
fn is_place(text: &str) -> bool {
    text.contains(['/', '.', ':'])
}

/// Tells whether a text is a digest, or was to be one.
pub(super) fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let algorithm = algorithm.to_ascii_lowercase();
    // A host may start with `sha` too.
    let is_sha = algorithm.strip_prefix("sha").is_some_and(|size| {
        size.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    });
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_known = is_sha || algorithm == "md5";
    is_known && !hex.contains('/') || is_hex && hex.len() >= LEAST_HEX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use terrine_support::hint::Hint;

    use super::*;
    use crate::Reference;

    #[test]
    fn logins_are_not_repeated() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = format!("docker://u:s3cret@h/x@{digest}");
        let shown = format!("docker://…@h/x@{digest}");
        for (text, expected) in [
            ("docker://u:s3cret@h/x", "docker://…@h/x"),
            ("docker://s3cret@h:5000/x:1", "docker://…@h:5000/x:1"),
            ("docker://u:s3@cret@h:5000/x", "docker://…@h:5000/x"),
            ("docker://u:s3/cret@h/x", "docker://…@h/x"),
            ("docker://u:s3cret@h", "docker://…@h"),
            ("docker://u:5/s3cret@h/x", "docker://…@h/x"),
            (&pinned, &shown),
            ("DOCKER://u:s3cret@h/x", "DOCKER://…@h/x"),
            ("docker:u:s3cret@h/x", "docker:…@h/x"),
            ("docker:/u:s3cret@h/x", "docker:/…@h/x"),
            ("https://u:s3cret@h/v2", "https://…@h/v2"),
            ("oci://u:s3cret@h/x", "oci://…@h/x"),
            ("registry://s3cret@h.example/x", "registry://…@h.example/x"),
            ("u:s3cret@h", "…@h"),
            ("u:s3cret@h/x:5", "…@h/x:5"),
            ("u:p://s3cret@h/x", "…@h/x"),
            ("https://u:s3cret@h/x?sig=s3cret", "https://…@h/x?…"),
            (
                "docker://u:s3cret@shared.example:5000/x",
                "docker://…@shared.example:5000/x",
            ),
            ("docker://u:s3cret@sha1:5/x", "docker://…@sha1:5/x"),
        ] {
            assert_eq!(without_login(text), expected, "{text}");
        }
    }

    #[test]
    fn messages_about_a_text_do_not_repeat_its_login() {
        for (text, message, expected) in [
            (
                "u:s3cret@h/x",
                "`u:s3cret@h` in `u:s3cret@h/x`",
                "`…@h` in `…@h/x`",
            ),
            ("https://h?s3cret", "`https://h?s3cret`", "`https://h?…`"),
            ("h?sig=s3cret", "`h?sig=s3cret`", "`h?…`"),
            (
                "https://u:s3cret@h/x?sig=s3cret",
                "`https:/u:s3cret@h/x?sig=s3cret`",
                "`https:/…@h/x?…`",
            ),
            ("a", "`a` and `b`", "`a` and `b`"),
        ] {
            assert_eq!(without_login_of(text, message), expected);
        }
    }

    #[test]
    fn what_is_no_login_stays() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        let pinned =
            ["docker://h:5000/x:1", "h/x", "oci:dir", "x"].map(|name| format!("{name}{digest}"));
        let others = [
            "docker://host/x@sha512:a",
            "docker://ghcr.io/acme/web@md5:00",
            "docker://web@latest",
            "docker://localhost:5000/web@latest",
            "localhost/web:1@latest",
            "docker-archive:a.tar:@3",
            "oci:a@b",
            "./u:p@h/x",
            "/nix/store/a@b:c@d",
            "node@20/x:y",
            "a:b",
            "@",
            ":@",
            "",
            "ü:@ü",
        ];
        for text in pinned.iter().map(String::as_str).chain(others) {
            assert_eq!(without_login(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_login_before_a_host_is_never_repeated(
            transport in "(docker|https|http)(://|:/|:)|(oci|x)://|",
            login in "(user:|user@corp:|user:5/|)s3cret",
            host in "(sha|md5|)[a-z][a-z0-9.-]{0,12}(:[0-9]{1,5})?",
            path in "(/[a-z0-9._/-]{1,9})?(:[a-z0-9.]{1,5})?",
            digest in "(@sha256:[0-9a-f]{0,64})?",
        ) {
            // Before a word it may be a file, or a broken digest of the image `user:5/s3cret`.
            let is_user = login.contains(':') && !login.contains('/');
            let is_placed = is_place(&format!("{host}{path}"));
            if !is_user && (!is_placed || login == "s3cret" && transport.is_empty()) {
                return Ok(());
            }
            let text = format!("{transport}{login}@{host}{path}{digest}");
            let shown = without_login(&text);
            prop_assert!(!shown.contains("s3cret"), "{text}: {shown}");
            if let Err(error) = text.parse::<Reference>() {
                let shown = format!("{error} {error:?} {:?}", error.hint());
                prop_assert!(!shown.contains("s3cret"), "{text}: {shown}");
            }
        }
    }
}
