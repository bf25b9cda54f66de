//! Values in the language of Nix.

use std::borrow::Cow;

/// Words that are no names of attributes unless they are quoted.
const KEYWORDS: [&str; 9] = [
    "assert", "else", "if", "in", "inherit", "let", "or", "rec", "then",
];

/// Returns a string.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' if characters.peek() == Some(&'{') => quoted.push_str("\\$"),
            '\n' => quoted.push_str("\\n"),
            // A plain one is read as the end of a line.
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns the name of an attribute, quoted if it has to be.
fn name(text: &str) -> Cow<'_, str> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| first(c) || c.is_ascii_digit() || matches!(c, '-' | '\'');
    if text.starts_with(first) && text.chars().all(rest) && !KEYWORDS.contains(&text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(string(text))
    }
}

/// Returns an attribute set, one attribute a line. The values are expressions.
pub(super) fn set<N: AsRef<str>>(attributes: impl IntoIterator<Item = (N, String)>) -> String {
    let mut text = "{\n".to_owned();
    for (attribute, value) in attributes {
        let value = value.replace('\n', "\n  ");
        text.push_str(&format!("  {} = {value};\n", name(attribute.as_ref())));
    }
    text.push('}');
    text
}
