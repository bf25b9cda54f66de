//! Values in messages: as much of them as helps.

/// The longest excerpt, in characters.
const LONGEST: usize = 200;

/// Returns the value for a message: without control characters, and cut where it is long.
pub(crate) fn excerpt(value: &[u8]) -> String {
    // A character has four bytes at most.
    let start = &value[..value.len().min(4 * LONGEST)];
    let text = String::from_utf8_lossy(start);
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(LONGEST).is_some() || start.len() < value.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_printable() {
        assert_eq!(excerpt(b"a b"), "a b");
        assert_eq!(excerpt(b"a\x1b[31m\n\xff"), "a\u{fffd}[31m\u{fffd}\u{fffd}");
        let long = "é".repeat(1000);
        assert_eq!(excerpt(long.as_bytes()), "é".repeat(200) + "…");
        assert_eq!(excerpt(&[b'x'; 200]), "x".repeat(200));
        assert_eq!(excerpt(&[b'x'; 201]), "x".repeat(200) + "…");
    }
}
