//! Numbers in headers, in all the forms that archivers have written. GNU tar, which reads them all, is the oracle.

/// The digits of base 64, which GNU tar wrote for some weeks of 1999.
const BASE_64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reads a field: octal digits, base 256 or base 64. A field without digits is 0, because some archivers leave out
/// what means nothing. None for what is no number, and for one that does not fit.
pub(crate) fn field(bytes: &[u8]) -> Option<i64> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return base_256(bytes);
    }
    // A number that filled the field before this one has its NUL here.
    let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
    let text = &bytes[start.unwrap_or(bytes.len())..];
    let end = text
        .iter()
        .position(|&byte| byte == 0 || byte.is_ascii_whitespace());
    match &text[..end.unwrap_or(text.len())] {
        [] => Some(0),
        [b'+', digits @ ..] => base_64(digits),
        [b'-', digits @ ..] => base_64(digits)?.checked_neg(),
        digits => digits.iter().try_fold(0_i64, |value, digit| match digit {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
            _ => None,
        }),
    }
}

/// Reads a field that is never negative.
pub(crate) fn natural(bytes: &[u8]) -> Option<u64> {
    u64::try_from(field(bytes)?).ok()
}

/// Returns the number of a user or a group. A negative one is what it is to the system: -2 is 4294967294.
pub(crate) fn id(number: i64) -> Option<u64> {
    let wrapped = i32::try_from(number).map(i32::cast_unsigned);
    let id = wrapped.or_else(|_| u32::try_from(number));
    id.ok().map(u64::from)
}

/// The two's complement, but for its first bit, which tells that the field is not text.
fn base_256(bytes: &[u8]) -> Option<i64> {
    let (first, rest) = bytes.split_first()?;
    // The second bit is the sign.
    let first = i128::from(first & 0x3f) - i128::from(first & 0x40);
    let value = rest.iter().try_fold(first, |value, byte| {
        value.checked_mul(256)?.checked_add(i128::from(*byte))
    });
    i64::try_from(value?).ok()
}

fn base_64(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| {
        let digit = BASE_64.iter().position(|known| known == digit)?;
        value
            .checked_mul(64)?
            .checked_add(i64::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (bytes, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644     ", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"\x000644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\x80\0\0\0\x80\0\0\0", Some(1 << 31)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
                Some(-2),
            ),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Some(i64::MAX),
            ),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"+BA\0\0\0\0\0", Some(64)),
            (b"-B\0\0\0\0\0\0", Some(-1)),
            (b"0000648\0", None),
            (b"0x1f\0\0\0\0", None),
            (b"1.5\0\0\0\0\0", None),
        ] {
            assert_eq!(field(bytes), expected, "{}", bytes.escape_ascii());
        }
        for (number, expected) in [
            (0, Some(0)),
            (-2, Some(4_294_967_294)),
            (1 << 31, Some(1 << 31)),
            (0xffff_fffe, Some(0xffff_fffe)),
            (1 << 32, None),
            (-(1 << 31) - 1, None),
        ] {
            assert_eq!(id(number), expected);
        }
        assert_eq!(natural(b"\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
