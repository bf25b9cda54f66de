//! The header fields that only some dialects have: the prefix of a name, and the numbers of
//! devices.
//!
//! The magic alone distinguishes the dialects, as in GNU tar. The version after the magic of POSIX
//! is ignored: archivers have written blanks and zeros there.

use std::ops::Range;

use tar::Header;

use super::number;

const MAGIC: usize = 257;
const POSIX: &[u8] = b"ustar\0";
const GNU: &[u8] = b"ustar  \0";
const NAME: Range<usize> = 0..100;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

/// Returns the name in a header, with the prefix that POSIX has for a long one.
pub(crate) fn name(header: &Header) -> Vec<u8> {
    let bytes = header.as_bytes();
    let [name, prefix] = [NAME, PREFIX].map(|field| text(&bytes[field]));
    if has_magic(header, POSIX) && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

/// Returns the numbers of a device; those of the oldest dialect are no numbers. Where one cannot be read,
/// the error is its field.
pub(crate) fn device(header: &Header) -> Result<(u32, u32), &[u8]> {
    if ![POSIX, GNU].iter().any(|magic| has_magic(header, magic)) {
        return Ok((0, 0));
    }
    let number = |field: Range<usize>| {
        let bytes = &header.as_bytes()[field];
        let number = number::natural(bytes).and_then(|number| u32::try_from(number).ok());
        number.ok_or(bytes)
    };
    Ok((number(MAJOR)?, number(MINOR)?))
}

fn has_magic(header: &Header, magic: &[u8]) -> bool {
    header.as_bytes()[MAGIC..].starts_with(magic)
}

/// Returns what is before the NUL that need not be there.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_after_the_magic_does_not_count() {
        for (magic, long, numbers) in [
            (&b"ustar\x0000"[..], true, (8, 255)),
            (b"ustar\0\0\0", true, (8, 255)),
            (b"ustar\0  ", true, (8, 255)),
            (b"ustar  \0", false, (8, 255)),
            (b"\0\0\0\0\0\0\0\0", false, (0, 0)),
        ] {
            let mut header = Header::new_old();
            let bytes = header.as_mut_bytes();
            bytes[MAGIC..][..8].copy_from_slice(magic);
            bytes[..100].fill(b'n');
            bytes[PREFIX][..3].copy_from_slice(b"d/e");
            bytes[MAJOR].copy_from_slice(b"0000010\0");
            bytes[MINOR].copy_from_slice(b"    377 ");
            let expected = if long { "d/e/" } else { "" }.to_owned() + &"n".repeat(100);
            assert_eq!(name(&header), expected.as_bytes(), "{magic:?}");
            assert_eq!(device(&header), Ok(numbers), "{magic:?}");
        }
    }
}
