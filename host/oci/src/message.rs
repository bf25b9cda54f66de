//! Messages that may repeat what a user wrote anywhere: a net under the rules for references.

use std::borrow::Cow;

use super::login::is_digest;

/// Starts of URLs, also as they are after two slashes have become one in a path.
const STARTS: [&str; 5] = ["://", "docker:/", "docker//", "https:/", "http:/"];

/// Placeholders of remedies that look like a login.
const PLACEHOLDERS: [&str; 2] = ["USER:PASSWORD@", "[@DIGEST]"];

/// Returns a message without the users and the passwords before the hosts of URLs in it.
pub fn without_logins(message: &str) -> Cow<'_, str> {
    if !message.contains('@') {
        return message.into();
    }
    let is_end = |c: char| c.is_whitespace() || matches!(c, '`' | '"' | ',');
    let words = message.split_inclusive(is_end);
    words.map(word_without_login).collect::<String>().into()
}

/// The same of a part of a message in which there is one URL at most.
fn word_without_login(word: &str) -> Cow<'_, str> {
    let lower = word.to_ascii_lowercase();
    let ends = STARTS
        .iter()
        .filter_map(|start| Some(lower.find(start)? + start.len()));
    let Some(end) = ends.min() else {
        return word.into();
    };
    let slashes = word[end..].bytes().take_while(|byte| *byte == b'/').count();
    let (start, rest) = word.split_at(end + slashes);
    if PLACEHOLDERS.iter().any(|known| rest.contains(known)) {
        return word.into();
    }
    let host = rest.split(['/', '?', '#', ';', '<', '>', ')']);
    let host = host.into_iter().next().unwrap_or_default();
    let name = match host.rsplit_once('@') {
        Some((name, digest)) if is_digest(digest) => name,
        _ => host,
    };
    match name.rfind('@') {
        Some(at) => format!("{start}…{}", &rest[at..]).into(),
        None => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_queries_in_messages_are_not_repeated() {
        for (message, expected) in [
            (
                "reading `docker://u:s3cret@h/x`",
                "reading `docker://…@h/x`",
            ),
            (
                "`/a/docker:/u:s3cret@h/x` is missing",
                "`/a/docker:/…@h/x` is missing",
            ),
            ("`docker//u:s3cret@h/x`", "`docker//…@h/x`"),
            (
                "write `\"caches\": [\"https://u:s3cret@h\"]`\nhint: x",
                "write `\"caches\": [\"https://…@h\"]`\nhint: x",
            ),
            ("https://a,https://u:s3cret@h", "https://a,https://…@h"),
            ("a (HTTPS://u:s3cret@h) b", "a (HTTPS://…@h) b"),
            (
                "https://s3cret@h https://u:s3cret@i",
                "https://…@h https://…@i",
            ),
            ("`https://u:s3cret@h/file:/x`", "`https://…@h/file:/x`"),
            (
                "`docker://u:s3cret@h/x@sha256:00`",
                "`docker://…@h/x@sha256:00`",
            ),
        ] {
            assert_eq!(without_logins(message), expected, "{message}");
        }
    }

    #[test]
    fn other_messages_stay() {
        for message in [
            "",
            "`docker://h/x:1@sha256:00` is a@b",
            "the file `file:///srv/me@host/x`",
            "write `docker://NAME[:TAG][@DIGEST]` or `http://USER:PASSWORD@HOST:PORT`",
            "`./a@b` and `https://h/x`",
            "ask https://h/sso?id=1 or https://h/,admin@b",
            "`/srv/https:/deno.land/std@0.1/a.tar` and https://h/@scope/x",
            "docker://name@sha256:00",
        ] {
            assert_eq!(without_logins(message), message);
        }
    }
}
