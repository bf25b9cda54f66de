//! Text that is no JSON, and what it was probably meant to be.

/// A byte order mark, with which some editors begin files.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Beginnings of what other languages have and JSON does not, and the remedy.
const OTHERS: &[(&str, &str)] = &[
    ("//", COMMENT),
    ("/*", COMMENT),
    ("#", COMMENT),
    ("'", "write text in double quotes"),
    ("NaN", NUMBER),
    ("Infinity", NUMBER),
    ("-Infinity", NUMBER),
    ("+", "write numbers without a plus sign"),
    (".", "write a digit before the point: `0.5`"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("None", "write `null`"),
    ("undefined", "write `null`, or leave the field out"),
    ("}", "remove the comma before it, or write a value"),
    ("]", "remove the comma before it, or write a value"),
    ("=", "write a colon between a name and its value"),
];
/// Beginnings of what the parser says, and the remedy.
const KINDS: &[(&str, &str)] = &[
    (
        "key must be a string",
        "write names in double quotes: `\"name\"`",
    ),
    ("expected `,`", "write a comma between two values"),
    ("expected `:`", "write a colon between a name and its value"),
    (
        "trailing characters",
        "remove the text after the first value",
    ),
    ("control character", "write line breaks in strings as `\\n`"),
];
const COMMENT: &str = "JSON has no comments: remove it";
const NUMBER: &str = "JSON has no such number";

/// Returns what is wrong with the beginning of text that no parser of JSON names.
pub(super) fn mark(text: &[u8]) -> Option<(&'static str, &'static str)> {
    let utf_16 = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
    if text.starts_with(MARK) {
        Some((
            "the text begins with a byte order mark",
            "save it as UTF-8 without one",
        ))
    } else if utf_16 {
        Some(("the text is UTF-16", "save it as UTF-8"))
    } else {
        None
    }
}

/// Returns how text would be right that is wrong at a place; line and column count from 1, as the parser does.
pub(super) fn hint(text: &[u8], line: usize, column: usize, why: &str) -> Option<&'static str> {
    if why.starts_with("EOF") {
        return Some("close all braces, brackets and quotes");
    }
    let line = text
        .split(|&byte| byte == b'\n')
        .nth(line.checked_sub(1)?)?;
    let rest = line.get(column.checked_sub(1)?..)?;
    let other = OTHERS
        .iter()
        .find(|(other, _)| rest.starts_with(other.as_bytes()));
    other.map(|(_, hint)| *hint).or_else(|| by_what(why))
}

/// The same by what the parser says.
fn by_what(why: &str) -> Option<&'static str> {
    KINDS
        .iter()
        .find(|(kind, _)| why.starts_with(kind))
        .map(|(_, hint)| *hint)
}
