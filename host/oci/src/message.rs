//! Messages that may repeat what a user wrote anywhere: a net under the rules for references.

use std::borrow::Cow;

use super::login::{is_digest, without_login};

/// Starts of URLs, also as they are after two slashes have become one in a path.
const STARTS: [&str; 5] = ["://", "docker:/", "docker//", "https:/", "http:/"];

/// Placeholders of remedies that look like a login.
const PLACEHOLDERS: [&str; 2] = ["USER:PASSWORD@", "[@DIGEST]"];

/// Returns a message without the users, the passwords and the queries of the URLs in it.
pub fn without_logins(message: &str) -> Cow<'_, str> {
    if !STARTS.iter().any(|start| message.contains(start)) {
        return message.into();
    }
    let is_end = |c: char| c.is_whitespace() || matches!(c, '`' | '"');
    let words = message.split_inclusive(is_end);
    words
        .map(|word| match word.char_indices().next_back() {
            Some((at, last)) if is_end(last) => word_without_login(&word[..at]) + &word[at..],
            _ => word_without_login(word),
        })
        .collect::<String>()
        .into()
}

/// The same of a part of a message in which there are no blanks.
fn word_without_login(word: &str) -> Cow<'_, str> {
    // The places of files may have an `@`.
    if word.contains("file:/") || PLACEHOLDERS.iter().any(|known| word.contains(known)) {
        return word.into();
    }
    let Some(end) = STARTS
        .iter()
        .filter_map(|start| Some(word.find(start)? + start.len()))
        .min()
    else {
        return word.into();
    };
    let slashes = word[end..].bytes().take_while(|byte| *byte == b'/').count();
    let (start, rest) = word.split_at(end + slashes);
    let name = match rest.rsplit_once('@') {
        Some((name, digest)) if is_digest(digest) => name,
        _ => rest,
    };
    match name.rfind('@') {
        Some(at) => format!("{start}…{}", &rest[at..]).into(),
        None => without_login(word),
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
            ("a (https://u:s3/cret@h) b", "a (https://…@h) b"),
            (
                "https://s3cret@h https://u:s3cret@i",
                "https://…@h https://…@i",
            ),
            ("`https://h/x?sig=s3cret`: y", "`https://h/x?…`: y"),
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
        ] {
            assert_eq!(without_logins(message), message);
        }
    }
}
