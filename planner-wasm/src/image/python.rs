//! Text as Python writes it: `json.dumps(value, indent=4)` and `repr` of a list of
//! strings. The image id is the digest of such text.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// A number that Python would write as `Infinity`, which is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow(pub(super) String);

/// `json.dumps(value, indent=4)`: four spaces a level, everything but printable
/// ASCII escaped, no newline at the end.
///
/// # Errors
///
/// A number too large for a double.
pub(super) fn dumps(value: &Value) -> Result<String, Overflow> {
    let mut out = String::new();
    write_value(&mut out, value, 0)?;
    Ok(out)
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), Overflow> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&write_number(number)?),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            write_items(out, ['[', ']'], items, depth, |out, item| {
                write_value(out, item, depth + 1)
            })?;
        }
        Value::Object(entries) => {
            write_items(out, ['{', '}'], entries, depth, |out, (key, item)| {
                write_string(out, key);
                out.push_str(": ");
                write_value(out, item, depth + 1)
            })?;
        }
    }
    Ok(())
}

fn write_items<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    depth: usize,
    mut write: impl FnMut(&mut String, T) -> Result<(), Overflow>,
) -> Result<(), Overflow> {
    out.push(open);
    let mut empty = true;
    for item in items {
        out.push_str(if empty { "\n" } else { ",\n" });
        empty = false;
        indent(out, depth + 1);
        write(out, item)?;
    }
    if !empty {
        out.push('\n');
        indent(out, depth);
    }
    out.push(close);
    Ok(())
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("    ", depth));
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push(out, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Integers keep their digits; everything else becomes a double.
fn write_number(number: &Number) -> Result<String, Overflow> {
    let text = number.to_string();
    if !text.contains(['.', 'e', 'E']) {
        return Ok(if text == "-0" { "0".to_owned() } else { text });
    }
    match text.parse::<f64>() {
        Ok(double) if double.is_finite() => Ok(repr_double(double)),
        _ => Err(Overflow(text)),
    }
}

/// `repr` of a double: the shortest digits that read back as the same number, with
/// an exponent below 1e-4 and from 1e16 on.
fn repr_double(double: f64) -> String {
    let scientific = shortest(double);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return positional(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// The shortest digits that read back as the same number, as `1.5e-7`.
///
/// Where two of that length are equally near, Python takes the even one, and the
/// standard library the greater.
fn shortest(double: f64) -> String {
    let shortest = format!("{double:e}");
    let digits = shortest
        .bytes()
        .take_while(|&byte| byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let nearest = format!("{double:.*e}", digits - 1);
    if nearest.parse() == Ok(double) {
        nearest
    } else {
        shortest
    }
}

/// A number without an exponent, with at least one digit after the point.
fn positional(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits = mantissa.replace('.', "");
    // Where the point is among the digits; before them if it is negative.
    let point = exponent + 1;
    if point <= 0 {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return format!("{sign}0.{zeros}{digits}");
    }
    let point = point as usize;
    let digits = format!("{digits:0<width$}", width = point + 1);
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

/// `repr` of a list of strings: `['a', 'b']`.
pub(super) fn repr_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| repr(item)).collect();
    format!("[{}]", items.join(", "))
}

/// `repr` of a string: in single quotes, unless it holds those and no double ones.
fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c == '\\' || c == quote => out.extend(['\\', c]),
            _ if is_printable(c) => out.push(c),
            _ => match u32::from(c) {
                code @ ..=0xff => push(&mut out, format_args!("\\x{code:02x}")),
                code @ ..=0xffff => push(&mut out, format_args!("\\u{code:04x}")),
                code => push(&mut out, format_args!("\\U{code:08x}")),
            },
        }
    }
    out.push(quote);
    out
}

/// Python's `str.isprintable` for one character: not of the categories Other and
/// Separator, except for the space.
///
/// The table behind it is the standard library's own: it leaves alone, in debug
/// output, exactly these characters (and grapheme extenders, but for those at the
/// start of a string, which is why another character stands before this one).
fn is_printable(c: char) -> bool {
    match c {
        '"' | '\'' | '\\' => true,
        _ => {
            let text = String::from_iter(['x', c]);
            text.escape_debug().eq(text.chars())
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(json: &str) -> String {
        dumps(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_pythons() {
        // Each pair from `json.dumps(json.loads(...))` of CPython 3.11.
        let table = [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1", "1"),
            ("1.0", "1.0"),
            ("1e0", "1.0"),
            ("1E5", "100000.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("123456789012345678", "123456789012345678"),
            ("123456789012345678.0", "1.2345678901234568e+17"),
            (
                "340282366920938463463374607431768211456",
                "340282366920938463463374607431768211456",
            ),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1.5e-7", "1.5e-07"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("0.1", "0.1"),
            ("1e-400", "0.0"),
            ("-1642538840150290.25", "-1642538840150290.2"),
            ("1642538840150290.75", "1642538840150290.8"),
            ("9007199254740993.0", "9007199254740992.0"),
            ("5e-5", "5e-05"),
            ("123.456", "123.456"),
            ("-0.001", "-0.001"),
        ];
        for (json, expected) in table {
            assert_eq!(round(json), expected, "{json}");
        }
        assert_eq!(
            dumps(&serde_json::from_str("1e400").unwrap()),
            Err(Overflow("1e+400".to_owned()))
        );
    }

    #[test]
    fn strings_are_ascii() {
        assert_eq!(round(r#""a\"\\\/\b\f\n\r\t""#), r#""a\"\\/\b\f\n\r\t""#);
        assert_eq!(
            round("\"\u{7f}\u{e9}\u{20ac}\u{1f600}\\u0000\""),
            r#""\u007f\u00e9\u20ac\ud83d\ude00\u0000""#
        );
    }

    #[test]
    fn structure_is_indented_and_keys_keep_their_order() {
        assert_eq!(round("[]"), "[]");
        assert_eq!(round("{}"), "{}");
        assert_eq!(
            round(r#"{"b":[1,{}],"a":null}"#),
            "{\n    \"b\": [\n        1,\n        {}\n    ],\n    \"a\": null\n}"
        );
        // The last value of a key that is there twice, at its first place.
        assert_eq!(
            round(r#"{"b":1,"a":2,"b":3}"#),
            "{\n    \"b\": 3,\n    \"a\": 2\n}"
        );
    }

    #[test]
    fn lists_are_represented_as_python_does() {
        let table: &[(&[&str], &str)] = &[
            (&[], "[]"),
            (&["/nix/store/a-b"], "['/nix/store/a-b']"),
            (
                &["it's", "say \"x\"", "b'o\"th"],
                r#"["it's", 'say "x"', 'b\'o"th']"#,
            ),
            (&["\\", "\n\r\t\0\u{7f}"], r"['\\', '\n\r\t\x00\x7f']"),
            (&["\u{e9}\u{20ac}\u{1f600}"], "['\u{e9}\u{20ac}\u{1f600}']"),
            (
                &["\u{a0}\u{ad}\u{2028}\u{e000}\u{e0001}"],
                r"['\xa0\xad\u2028\ue000\U000e0001']",
            ),
            (&["e\u{301}", "\u{301}"], "['e\u{301}', '\u{301}']"),
        ];
        for (items, expected) in table {
            let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
            assert_eq!(repr_list(&items), *expected);
        }
    }
}
