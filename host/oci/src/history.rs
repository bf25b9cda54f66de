//! The history that dockerTools writes for a layer: the store paths in it.

use std::str::Chars;

/// The comment of the root layer. Images have it, so that it stays as it is: messages say root layer.
pub const ROOT_COMMENT: &str = "links and files at the root";

/// The text before the list.
const PREFIX: &str = "store paths: ";

/// The store paths that the comment of a layer's history names: `store paths: ` and a list of
/// strings as Python's `repr` writes it. None for anything else.
pub fn store_paths(comment: &str) -> Option<Vec<String>> {
    let mut rest = comment.strip_prefix(PREFIX)?.strip_prefix('[')?.chars();
    let mut paths = Vec::new();
    loop {
        match rest.next()? {
            ']' if paths.is_empty() => break,
            quote @ ('\'' | '"') => paths.push(string(&mut rest, quote)?),
            _ => return None,
        }
        match rest.next()? {
            ']' => break,
            ',' if rest.next()? == ' ' => {}
            _ => return None,
        }
        // A comma is followed by another string.
        if rest.as_str().starts_with(']') {
            return None;
        }
    }
    rest.as_str().is_empty().then_some(paths)
}

/// The rest of a string, up to the quote that ends it.
fn string(rest: &mut Chars<'_>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\\' => text.push(escaped(rest)?),
            end if end == quote => return Some(text),
            other => text.push(other),
        }
    }
}

/// Decodes the character after a backslash.
fn escaped(rest: &mut Chars<'_>) -> Option<char> {
    match rest.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        same @ ('\\' | '\'' | '"') => Some(same),
        'x' => number(rest, 2),
        'u' => number(rest, 4),
        'U' => number(rest, 8),
        _ => None,
    }
}

/// The character of a number of so many hexadecimal digits.
fn number(rest: &mut Chars<'_>, digits: usize) -> Option<char> {
    let mut number = 0_u32;
    for _ in 0..digits {
        number = number.checked_mul(16)? + rest.next()?.to_digit(16)?;
    }
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_python_are_read() {
        for (text, expected) in [
            ("[]", &[][..]),
            ("['/nix/store/a']", &["/nix/store/a"]),
            ("['/a', '/b', '/c']", &["/a", "/b", "/c"]),
            (r#"["it's", 'say "x"']"#, &["it's", "say \"x\""]),
            (
                r"['a\\b\n\t\r\'\x7f\u200b\U0001f600é']",
                &["a\\b\n\t\r'\u{7f}\u{200b}😀é"],
            ),
            ("['a, b]']", &["a, b]"]),
        ] {
            let paths = store_paths(&format!("store paths: {text}"));
            assert_eq!(
                paths,
                Some(expected.iter().map(ToString::to_string).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "store paths:",
            "store paths: ",
            "store paths: [",
            "store paths: ['a'",
            "store paths: ['a]",
            "store paths: ['a',]",
            "store paths: ['a', ]",
            "store paths: ['a','b']",
            "store paths: ['a' 'b']",
            "store paths: ['a'] ",
            "store paths: [a]",
            "store paths: [1]",
            "store paths: ('a')",
            "store paths: [, 'a']",
            r"store paths: ['\q']",
            r"store paths: ['\x4']",
            r"store paths: ['\ud800']",
            r"store paths: ['\Uffffffff']",
            "Store paths: ['a']",
            "store paths: [ 'a']",
            "store paths: []]",
        ] {
            assert_eq!(store_paths(text), None, "{text}");
        }
    }
}
