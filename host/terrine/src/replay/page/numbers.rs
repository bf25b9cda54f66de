//! Numbers as people read them.

/// A number of bytes as people read it, in decimal units.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut number = bytes as f64;
    if number < 1000.0 {
        return format!("{bytes} B");
    }
    let mut unit = "";
    for next in units {
        if number < 999.995 {
            break;
        }
        (number, unit) = (number / 1000.0, next);
    }
    format!("{number:.2} {unit}")
}

/// A number with a space between each three digits, so that it can be read.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (999_994, "999.99 kB"),
            (999_996, "1.00 MB"),
            (12_345_678_901, "12.35 GB"),
            (u64::MAX, "18.45 EB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
        assert_eq!(
            [1, 999, 1000, 1_234_567].map(grouped),
            ["1", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }
}
