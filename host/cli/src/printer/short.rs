//! Messages that repeat little of what they were given.

/// The most characters of a value in a message.
const VALUE: usize = 300;
/// The most characters of a line of a message.
const LINE: usize = 1000;
/// The most lines of a message.
const LINES: usize = 50;
/// The most characters of a message.
const MESSAGE: usize = 4000;

/// A message that repeats little of what it was given: a value in backticks has some hundred characters at most,
/// and a line not many more.
pub(super) fn short(message: &str) -> String {
    let lines = message.split('\n').map(|line| {
        let parts: Vec<String> = line
            .split('`')
            .enumerate()
            .map(|(number, part)| match number % 2 {
                0 => without_numbers(part),
                _ => cut(part, VALUE),
            })
            .collect();
        cut(&parts.join("`"), LINE)
    });
    cut(&few(lines), MESSAGE)
}

/// Text without the numbers that Rust adds to errors of the system.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, after)) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
                rest += after;
            }
            _ => rest.extend([" (os error ", part]),
        }
    }
    rest
}

/// The first of many lines.
fn few(lines: impl Iterator<Item = String>) -> String {
    let mut lines = lines.peekable();
    let mut few: Vec<String> = lines.by_ref().take(LINES).collect();
    if lines.peek().is_some() {
        few.push("…".to_owned());
    }
    few.join("\n")
}

/// Text without its middle if it has more characters.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most / 4 * 3).collect();
    let end: String = text.chars().skip(count - most / 5).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        for (text, expected) in [
            (
                "reading `a`: Is a directory (os error 21)",
                "reading `a`: Is a directory",
            ),
            (
                "no file (os error 2): and (os error x) (os error 3",
                "no file: and (os error x) (os error 3",
            ),
            ("`a (os error 2)` is missing", "`a (os error 2)` is missing"),
        ] {
            assert_eq!(short(text), expected);
        }
    }

    #[test]
    fn messages_repeat_little_of_what_they_were_given() {
        let plain = "`a` is not `b`: no\nsuch `thing`";
        assert_eq!(short(plain), plain);
        let long = "ö".repeat(100_000);
        let text = short(&format!("the name `{long}` is not one, and `x` is"));
        assert_eq!(text.chars().count(), 29 + 225 + 1 + 60 + 5);
        assert!(text.starts_with("the name `öö") && text.ends_with("ö` is not one, and `x` is"));
        assert!(short(&long).chars().count() < LINE);
        assert!(short(&format!("`{long}")).chars().count() < LINE);
        assert!(short(&"a\n".repeat(20_000)).chars().count() < MESSAGE);
        assert_eq!(short("a\nb"), "a\nb");
    }
}
