//! The owners and the time of the first member of an archive.

use crate::archive::check_header;
use crate::number;

/// The fields of a header that archivers give to all members alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Time of last modification, in seconds since 1970.
    pub mtime: i64,
    /// Name of the owner.
    pub uname: Vec<u8>,
    /// Name of the group.
    pub gname: Vec<u8>,
}

impl Owner {
    /// Reads the owner of a member by its header; none of one that is broken, or that has its fields in
    /// records before it (POSIX 1003.1, pax Interchange Format).
    pub fn of_header(block: &[u8; 512]) -> Option<Self> {
        check_header(block, 0).ok()?;
        let is_member = !matches!(block[156], b'x' | b'g' | b'L' | b'K');
        let text = |at: usize| -> Vec<u8> {
            let field = block[at..at + 32].iter().copied();
            field.take_while(|byte| *byte != 0).collect()
        };
        let owner = Self {
            uid: number::field(&block[108..116])?,
            gid: number::field(&block[116..124])?,
            mtime: number::field(&block[136..148])?,
            uname: text(265),
            gname: text(297),
        };
        is_member.then_some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_owner() {
        let mut header = tar::Header::new_gnu();
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(9);
        header.set_username("me").unwrap();
        header.set_groupname("us").unwrap();
        header.set_cksum();
        let mut block = *header.as_bytes();
        let owner = Owner {
            uid: 7,
            gid: 8,
            mtime: 9,
            uname: b"me".to_vec(),
            gname: b"us".to_vec(),
        };
        assert_eq!(Owner::of_header(&block), Some(owner));
        block[108] = b'1';
        assert_eq!(Owner::of_header(&block), None);
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_cksum();
        assert_eq!(Owner::of_header(header.as_bytes()), None);
    }
}
