//! The text of a `WWW-Authenticate`: schemes and their parameters, as registries write it.

/// One way to authenticate that a server offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn new(scheme: &str) -> Self {
        Self {
            scheme: scheme.to_owned(),
            parameters: vec![],
        }
    }

    /// The first parameter of that name.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Reads a value; none if it names no scheme at all. What the grammar of RFC 9110 does not allow is
/// read as far as it makes sense: blanks, colons and letters of all languages without quotes, commas
/// too many.
pub(super) fn read(value: &[u8]) -> Option<Vec<Offer>> {
    let text = String::from_utf8_lossy(value);
    let offers = match http_auth::parse_challenges(&text) {
        Ok(challenges) => challenges.iter().map(strict).collect(),
        Err(_) => loose(&text),
    };
    let are_named = offers.iter().all(|offer| is_token(&offer.scheme));
    (are_named && !offers.is_empty()).then_some(offers)
}

fn strict(challenge: &http_auth::ChallengeRef<'_>) -> Offer {
    let parameters = challenge.params.iter();
    Offer {
        scheme: challenge.scheme.to_owned(),
        parameters: parameters
            .map(|(key, value)| ((*key).to_owned(), value.to_unescaped()))
            .collect(),
    }
}

/// Reads parts between commas: `SCHEME KEY=VALUE`, `SCHEME` or `KEY=VALUE`.
fn loose(text: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let (name, value, after) = part(rest);
        rest = after;
        let key = match name.split_once(char::is_whitespace) {
            Some((scheme, key)) => {
                offers.push(Offer::new(scheme));
                key.trim()
            }
            None => name,
        };
        match (value, offers.last_mut()) {
            (Some(value), Some(offer)) => offer.parameters.push((key.to_owned(), value)),
            (None, _) if !name.is_empty() && key == name => offers.push(Offer::new(name)),
            _ => {}
        }
    }
    offers
}

/// Takes the part up to the next comma that is not in quotes: its name, its value if it has one, and
/// what follows. A quote that does not end takes the value with it.
fn part(text: &str) -> (&str, Option<String>, &str) {
    let end = text.find([',', '=']).unwrap_or(text.len());
    let name = text[..end].trim();
    let after = text.get(end + 1..).unwrap_or_default();
    if !text[end..].starts_with('=') {
        return (name, None, after);
    }
    let Some(quoted) = after.trim_start().strip_prefix('"') else {
        let (value, rest) = after.split_once(',').unwrap_or((after, ""));
        return (name, Some(value.trim().to_owned()), rest);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                let rest = &quoted[at + 1..];
                let rest = rest.split_once(',').map_or("", |(_, rest)| rest);
                return (name, Some(value), rest);
            }
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            other => value.push(other),
        }
    }
    (name, None, "")
}

fn is_token(text: &str) -> bool {
    let is_mark = |c: char| "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || is_mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Schemes, each with its parameters.
    fn shown(value: &str) -> Option<String> {
        let offers = read(value.as_bytes())?;
        let shown = offers.iter().map(|offer| {
            let parameters = offer.parameters.iter();
            let parameters: String = parameters
                .map(|(key, value)| format!(" {key}={value}"))
                .collect();
            format!("{}{parameters}", offer.scheme)
        });
        Some(shown.collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn values_are_read_however_they_are_written() {
        for (value, expected) in [
            (r#"Basic realm="x y""#, "Basic realm=x y"),
            ("Basic realm=My Registry", "Basic realm=My Registry"),
            ("Basic realm=Gr\u{f6}\u{df}e", "Basic realm=Gr\u{f6}\u{df}e"),
            (
                "Bearer realm=https://a/t?x=1, service=a b",
                "Bearer realm=https://a/t?x=1 service=a b",
            ),
            (
                "Bearer realm=https://a/t,,scope=\"x,y\",",
                "Bearer realm=https://a/t scope=x,y",
            ),
            (
                r#"Basic realm=My Registry, Bearer realm="https://a/\"t",service="s""#,
                r#"Basic realm=My Registry; Bearer realm=https://a/"t service=s"#,
            ),
            ("Negotiate, Basic realm=a:b", "Negotiate; Basic realm=a:b"),
            ("Bearer realm = https://a", "Bearer realm=https://a"),
            ("Basic", "Basic"),
            (
                "Digest a b, Basic realm=My Own",
                "Digest; Basic realm=My Own",
            ),
            ("Bearer realm=\"unfinished", "Bearer"),
        ] {
            assert_eq!(shown(value).as_deref(), Some(expected), "{value}");
        }
        for value in ["", "=", "=x", ",", "@ x=y", "x=y"] {
            assert_eq!(shown(value), None, "{value}");
        }
    }
}
