//! The order of names within a directory.

use std::cmp::Ordering;

/// Compares two names as Python compares the text that it makes of them: by code
/// points, a byte that is not UTF-8 standing for U+DC80 and up.
///
/// Paths are compared component by component, so this and a walk that goes down
/// into each directory before its next sibling give the order of whole paths.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    if is_utf8(a) && is_utf8(b) {
        // The bytes of UTF-8 are in the order of its code points.
        return a.cmp(b);
    }
    code_points(a).cmp(code_points(b))
}

fn is_utf8(name: &[u8]) -> bool {
    name.is_ascii() || std::str::from_utf8(name).is_ok()
}

/// A name's code points, with Python's `surrogateescape` for what is none.
pub(crate) fn code_points(name: &[u8]) -> impl Iterator<Item = u32> {
    name.utf8_chunks().flat_map(|chunk| {
        chunk
            .valid()
            .chars()
            .map(u32::from)
            .chain(chunk.invalid().iter().map(|&byte| 0xdc00 + u32::from(byte)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_stand_between_the_planes() {
        // U+D7FF < the escaped byte 0xff (U+DCFF) < U+E000 < U+10000.
        let mut names: Vec<&[u8]> = vec![
            b"\xf0\x90\x80\x80",
            b"\xff",
            b"\xee\x80\x80",
            b"\xed\x9f\xbf",
            b"a",
            b"",
            b"a\xff",
            b"a-",
            b"a.b",
        ];
        names.sort_by(|a, b| compare(a, b));
        let expected: Vec<&[u8]> = vec![
            b"",
            b"a",
            b"a-",
            b"a.b",
            b"a\xff",
            b"\xed\x9f\xbf",
            b"\xff",
            b"\xee\x80\x80",
            b"\xf0\x90\x80\x80",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn every_byte_of_a_broken_sequence_is_a_code_point() {
        let points: Vec<u32> = code_points(b"\xe2\x82A\xed\xa0\x80").collect();
        assert_eq!(points, [0xdce2, 0xdc82, 0x41, 0xdced, 0xdca0, 0xdc80]);
    }
}
