//! The messages of the parser in other words.

/// The type that a value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    List,
    Object,
    String,
    Number,
    Bool,
}

/// Types as the parser calls them, what they are for a person, and what that is.
const TYPES: &[(&str, &str, Option<Wanted>)] = &[
    ("a sequence", "a list", Some(Wanted::List)),
    ("a map", "an object", Some(Wanted::Object)),
    ("an object", "an object", Some(Wanted::Object)),
    ("a boolean", "true or false", Some(Wanted::Bool)),
    ("a string", "a string", Some(Wanted::String)),
    ("a borrowed string", "a string", Some(Wanted::String)),
    ("string or map", "a string", Some(Wanted::String)),
    ("u8", "a whole number from 0 to 255", Some(Wanted::Number)),
    (
        "u16",
        "a whole number from 0 to 65535",
        Some(Wanted::Number),
    ),
    (
        "u32",
        "a whole number from 0 to 4294967295",
        Some(Wanted::Number),
    ),
    ("u64", "a whole number of 0 or more", Some(Wanted::Number)),
    ("usize", "a whole number of 0 or more", Some(Wanted::Number)),
    ("i32", "a whole number", Some(Wanted::Number)),
    ("i64", "a whole number", Some(Wanted::Number)),
    ("f64", "a number", Some(Wanted::Number)),
    ("unit", "`null`", None),
];

/// Messages about text that is not JSON.
const SYNTAX: &[(&str, &str)] = &[
    (
        "EOF while parsing a value",
        "the text is empty or ends where a value must be",
    ),
    (
        "EOF while parsing an object",
        "the text ends within an object",
    ),
    ("EOF while parsing a list", "the text ends within a list"),
    (
        "EOF while parsing a string",
        "the text ends within a string",
    ),
    (
        "key must be a string",
        "a name must be a string in double quotes",
    ),
    ("trailing comma", "there is a comma after the last value"),
    ("trailing characters", "there is more text after the JSON"),
    ("expected `:`", "a colon is missing after a name"),
    (
        "expected `,` or `}`",
        "a comma or a closing brace is missing",
    ),
    (
        "expected `,` or `]`",
        "a comma or a closing bracket is missing",
    ),
    (
        "expected ident",
        "a word is neither `true`, `false` nor `null`",
    ),
    (
        "expected value",
        "a value must be here: text in double quotes, a number, a list, an object, `true`, `false` or `null`",
    ),
    (
        "control character (\\u0000-\\u001F) found while parsing a string",
        "a string has a line break or another control character: write `\\n` and the like",
    ),
    (
        "invalid escape",
        "a backslash in a string has no meaning here: write `\\\\` for one",
    ),
    ("invalid number", "a number is malformed"),
    ("number out of range", "a number is too large"),
    (
        "recursion limit exceeded",
        "lists and objects are nested too deep",
    ),
    (
        "lone leading surrogate in hex escape",
        "a string has one half of a surrogate pair, such as `\\uD83D`: the other half must follow",
    ),
    (
        "unexpected end of hex escape",
        "a string has one half of a surrogate pair, such as `\\uD83D`: the other half must follow",
    ),
    ("invalid unicode code point", "the text is not UTF-8"),
];

/// Messages about numbers that are arguments.
const NUMBERS: &[(&str, &str)] = &[
    ("invalid digit found in string", "it must be a whole number"),
    (
        "cannot parse integer from empty string",
        "it must be a whole number, but is empty",
    ),
    (
        "number too large to fit in target type",
        "the number is too large",
    ),
    (
        "number too small to fit in target type",
        "the number is too small",
    ),
    (
        "number would be zero for non-zero type",
        "it must be a whole number of 1 or more",
    ),
    ("invalid float literal", "it must be a number"),
];

/// Puts a message of the JSON parser in words for people. A message that is not known stays as it is.
pub fn in_words(why: &str) -> String {
    let (what, place) = match why.rfind(" at line ") {
        Some(at) => why.split_at(at),
        None => (why, ""),
    };
    let known = SYNTAX.iter().find(|(message, _)| *message == what);
    let words = known
        .map(|(_, words)| (*words).to_owned())
        .or_else(|| mismatch(what))
        .or_else(|| names(what));
    format!("{}{place}", words.as_deref().unwrap_or(what))
}

/// A message about a number that is an argument, in words for people, wherever it is in a text.
pub fn numbers_in_words(text: &str) -> String {
    if let Some((_, range)) = text.split_once(" is not in ")
        && let Some((first, last)) = range.split_once("..")
    {
        let (last, off) = match last.strip_prefix('=') {
            Some(last) => (last, 0),
            // The end of a range that does not belong to it.
            None => (last, 1),
        };
        let last = match last.parse::<u64>() {
            Ok(u64::MAX) | Err(_) => String::new(),
            Ok(last) => last.saturating_sub(off).to_string(),
        };
        return match (first.is_empty(), last.is_empty()) {
            (false, true) => format!("it must be a whole number of {first} or more"),
            (true, _) => format!("it must be a whole number of {last} or less"),
            (false, false) => format!("it must be a whole number from {first} to {last}"),
        };
    }
    NUMBERS
        .iter()
        .fold(text.to_owned(), |text, (message, words)| {
            text.replace(message, words)
        })
}

/// Returns the type that a value must have according to the parser's message, where it is one of these.
pub(super) fn wanted(why: &str) -> Option<Wanted> {
    let (what, _) = why.rsplit_once(" at line ").unwrap_or((why, ""));
    let (_, expected) = parts(what)?;
    must_be(expected, "").1
}

/// Splits a message about a value into what was found and what was expected.
fn parts(what: &str) -> Option<(&str, &str)> {
    let rest = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|start| what.strip_prefix(start))?;
    // The value may have any text in it.
    let at = rest.rfind(", expected ")?;
    Some((&rest[..at], &rest[at + ", expected ".len()..]))
}

/// A value that is not what it must be.
fn mismatch(what: &str) -> Option<String> {
    let (found, expected) = parts(what)?;
    let (expected, _) = must_be(expected, found);
    if what.starts_with("invalid length ") {
        return Some(format!("it must be {expected}, but has {found} values"));
    }
    Some(format!("it must be {expected}, but is {}", is(found)))
}

/// Says in words what a value must be.
fn must_be(expected: &str, found: &str) -> (String, Option<Wanted>) {
    if let Some(number) = expected.strip_prefix("a nonzero ") {
        let signed = number.starts_with('i');
        let words = if signed {
            "a whole number other than 0"
        } else {
            "a whole number of 1 or more"
        };
        return (words.to_owned(), Some(Wanted::Number));
    }
    if expected.starts_with("struct ") {
        return ("an object".to_owned(), Some(Wanted::Object));
    }
    if let Some(size) = expected.strip_prefix("a tuple of size ") {
        return (format!("a list of {size} values"), Some(Wanted::List));
    }
    // The end of a range matters only for a number beyond it.
    let too_large = found
        .strip_prefix("integer `")
        .is_some_and(|number| !number.starts_with('-'));
    let known = TYPES.iter().find(|(name, ..)| *name == expected);
    match known {
        Some((name, _, wanted))
            if name.starts_with('u') && name.ends_with(char::is_numeric) && !too_large =>
        {
            ("a whole number of 0 or more".to_owned(), *wanted)
        }
        Some((_, words, wanted)) => ((*words).to_owned(), *wanted),
        None => (expected.to_owned(), None),
    }
}

/// Says in words what a value is.
fn is(found: &str) -> String {
    if let Some(text) = found.strip_prefix("string ") {
        let text = unescaped(text);
        if may_have_login(&text) {
            return "a string".to_owned();
        }
        return format!("the string `{}`", serde_json::Value::from(text));
    }
    for kind in ["integer ", "floating point "] {
        if let Some(number) = found.strip_prefix(kind) {
            return format!("the number {number}");
        }
    }
    match found {
        "sequence" => "a list".to_owned(),
        // One that the parser keeps as it is written.
        "number" => "a number".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit value" | "Option value" => "`null`".to_owned(),
        _ => found.strip_prefix("boolean ").unwrap_or(found).to_owned(),
    }
}

/// Tells whether a string may be the URL of something, with a user, a password or a query.
pub(super) fn may_have_login(text: &str) -> bool {
    let has_query = text
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('?'));
    has_query
        || text
            .split_once(':')
            .is_some_and(|(_, rest)| rest.contains('@'))
}

/// A string as it was before the parser quoted it in Rust's way.
fn unescaped(text: &str) -> String {
    let text = text.strip_prefix('"').unwrap_or(text);
    let text = text.strip_suffix('"').unwrap_or(text);
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            plain.push(next);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('0') => plain.push('\0'),
            Some('u') => {
                let hex: String = rest
                    .by_ref()
                    .skip_while(|next| *next == '{')
                    .take_while(|next| *next != '}')
                    .collect();
                let code = u32::from_str_radix(&hex, 16).ok();
                plain.extend(code.and_then(char::from_u32));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

/// A message about names of fields and of alternatives.
fn names(what: &str) -> Option<String> {
    if let Some(field) = what.strip_prefix("missing field ") {
        return Some(format!("the field {field} is missing"));
    }
    if let Some(field) = what.strip_prefix("duplicate field ") {
        return Some(format!("the field {field} is given twice"));
    }
    let variant = what.strip_prefix("unknown variant ")?;
    let (variant, known) = variant.split_once(", expected ")?;
    Some(format!("unknown value {variant}: it must be {known}"))
}
