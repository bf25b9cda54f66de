//! The secrets of a request, which a server may repeat in what it says of an error.

use std::fmt;

use ureq::http::HeaderValue;

use super::auth_file;

/// The shortest secret that is left out, in characters: shorter ones are parts of other words.
const SHORTEST: usize = 4;
/// The shortest secret of letters alone that is left out: shorter ones may be words of the message.
const SHORTEST_WORD: usize = 6;

/// The secrets that a server was sent. They are never shown.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Those of an `Authorization`, and one that the body has.
    pub(super) fn of(authorization: Option<&HeaderValue>, in_body: Option<&str>) -> Self {
        let sent = authorization
            .and_then(|value| value.to_str().ok()?.split_once(' '))
            .map(|(_, sent)| sent.to_owned());
        let password = sent
            .as_deref()
            .and_then(auth_file::decoded)
            .map(|(_, password)| password);
        let secrets = [sent, password, in_body.map(str::to_owned)];
        Self(
            secrets
                .into_iter()
                .flatten()
                .filter(|secret| is_long(secret))
                .collect(),
        )
    }

    /// Leaves them out of a text.
    pub(super) fn hide(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| text.replace(secret, "…");
        self.0.iter().fold(text.to_owned(), hide)
    }
}

/// Tells whether a secret is probably one where it is found in a text.
fn is_long(secret: &str) -> bool {
    let is_word = secret.chars().all(char::is_alphabetic);
    let shortest = if is_word { SHORTEST_WORD } else { SHORTEST };
    secret.chars().count() >= shortest
}

#[cfg(test)]
mod tests {
    use super::super::token::basic;
    use super::*;

    #[test]
    fn what_was_sent_is_left_out() {
        let basic = basic("user", "s3cret word");
        let short = super::super::token::basic("user", "bad");
        let bearer = HeaderValue::from_static("Bearer t0ken");
        for (sent, in_body, text, expected) in [
            (
                Some(&basic),
                None,
                "bad login user:s3cret word, s3cret word!",
                "bad login user:…, …!",
            ),
            (
                Some(&basic),
                None,
                "got Basic dXNlcjpzM2NyZXQgd29yZA==",
                "got Basic …",
            ),
            (
                Some(&bearer),
                None,
                "no Bearer t0ken here",
                "no Bearer … here",
            ),
            (None, Some("r3fresh"), "r3fresh is old", "… is old"),
            (None, Some("wrong"), "wrong password", "wrong password"),
            (None, Some("secretive"), "secretive?", "…?"),
            (
                Some(&short),
                None,
                "a bad login: dXNlcjpiYWQ=",
                "a bad login: …",
            ),
            (None, None, "s3cret word", "s3cret word"),
        ] {
            let secrets = Secrets::of(sent, in_body);
            assert_eq!(secrets.hide(text), expected);
            assert!(!format!("{secrets:?}").contains("s3cret"));
        }
    }
}
