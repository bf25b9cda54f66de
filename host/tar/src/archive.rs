//! Reading a tar archive by its members' names.
//!
//! The archive comes from elsewhere and is not believed: every size is checked against
//! the file's, nothing is unpacked, and no name may lead out of the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use tar::{EntryType, Header};

use super::extended::{Extended, is_extension};
use super::{BLOCK, Error, Fault, FilePart, dialect, number};

/// The longest extended header that is read, in bytes.
pub(crate) const MAX_EXTENSION: u64 = 1 << 20;
/// The longest name of a member, in bytes.
const MAX_NAME: usize = 1024;
/// The most members that an archive may have. An image has a few for each layer.
const MAX_MEMBERS: usize = 20_000;
/// The most links that may lead from one member to the next.
const MAX_LINKS: usize = 16;

/// An archive whose members are known by name.
#[derive(Debug)]
pub struct Archive {
    file: File,
    members: BTreeMap<String, Member>,
}

/// A member of an archive.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its kind.
    pub kind: MemberKind,
    /// The offset of its content in the file, in bytes.
    pub offset: u64,
    /// The size of its content in bytes.
    pub size: u64,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
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

/// The kind of a member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A symbolic or a hard link to another member, by its name in the archive.
    Link(String),
    /// Anything else.
    Other,
}

impl Archive {
    /// Lists the members of a plain archive in a file that can be read anywhere.
    ///
    /// # Errors
    ///
    /// An archive that is broken, truncated or too large, and a system that refuses.
    pub fn scan(file: File) -> Result<Self, Error> {
        let size = file.metadata()?.len();
        let members = Scan {
            file: &file,
            size,
            members: BTreeMap::new(),
        }
        .run()?;
        Ok(Self { file, members })
    }

    /// A member by its name, which may be written with `./` in front; links are followed.
    pub fn member(&self, name: &str) -> Result<&Member, Fault> {
        let mut current = plain_name(name.as_bytes())?;
        for _ in 0..MAX_LINKS {
            let member = self
                .members
                .get(&current)
                .ok_or_else(|| Fault::NoMember(name.to_owned()))?;
            match &member.kind {
                MemberKind::File => return Ok(member),
                MemberKind::Link(target) => current.clone_from(target),
                MemberKind::Other => return Err(Fault::NotAFile(name.to_owned())),
            }
        }
        Err(Fault::LinkLoop(name.to_owned()))
    }

    /// Returns true if there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns true if there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A member's whole content, which may be at most `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let member = self.member(name)?;
        if member.size > limit {
            return Err(Fault::TooLarge {
                what: format!("`{name}`"),
                size: member.size,
                limit,
            }
            .into());
        }
        let mut content = Vec::new();
        self.content(member).read_to_end(&mut content)?;
        Ok(content)
    }

    /// A reader of a member's content.
    pub fn content(&self, member: &Member) -> FilePart<'_> {
        FilePart::new(&self.file, member.offset, member.size)
    }
}

/// A pass over an archive's headers.
struct Scan<'a> {
    file: &'a File,
    size: u64,
    members: BTreeMap<String, Member>,
}

impl Scan<'_> {
    fn run(mut self) -> Result<BTreeMap<String, Member>, Error> {
        let mut position = 0;
        let mut extended = Extended::default();
        let mut count = 0;
        while let Some(header) = self.header(position)? {
            let header = Header::from_byte_slice(&header);
            count += 1;
            if count > MAX_MEMBERS {
                return Err(Fault::TooManyMembers(MAX_MEMBERS).into());
            }
            let declared = declared_size(header).ok_or(Fault::BadHeader(position))?;
            let is_extension = is_extension(header.entry_type());
            let size = if is_extension {
                declared
            } else {
                extended.size.take().unwrap_or(declared)
            };
            let size = if has_content(header.entry_type()) {
                size
            } else {
                0
            };
            let offset = position + BLOCK;
            let end = offset.checked_add(size).filter(|&end| end <= self.size);
            let Some(end) = end else {
                return Err(Fault::Truncated {
                    position,
                    size,
                    length: self.size,
                }
                .into());
            };
            if header.entry_type() == EntryType::GNUSparse {
                let name = String::from_utf8_lossy(&dialect::name(header)).into_owned();
                return Err(Fault::Sparse(name).into());
            }
            if is_extension {
                self.extend(&mut extended, header.entry_type(), offset, size)?;
            } else {
                self.add(header, std::mem::take(&mut extended), offset, size)?;
            }
            position = end.next_multiple_of(BLOCK);
        }
        Ok(self.members)
    }

    /// The header block at a position; none at the end of the archive.
    fn header(&self, position: u64) -> Result<Option<[u8; 512]>, Error> {
        let mut block = [0; 512];
        if position >= self.size {
            return Ok(None);
        }
        if self.size - position < BLOCK {
            return Err(Fault::Truncated {
                position,
                size: BLOCK,
                length: self.size,
            }
            .into());
        }
        self.file.read_exact_at(&mut block, position)?;
        if block == [0; 512] {
            return Ok(None);
        }
        check_header(&block, position)?;
        Ok(Some(block))
    }

    /// Takes over what an extended header says of the member after it.
    fn extend(
        &self,
        extended: &mut Extended,
        kind: EntryType,
        offset: u64,
        size: u64,
    ) -> Result<(), Error> {
        if size > MAX_EXTENSION {
            let what = "an extended header".to_owned();
            return Err(Fault::TooLarge {
                what,
                size,
                limit: MAX_EXTENSION,
            }
            .into());
        }
        let mut content = vec![0; size as usize];
        self.file.read_exact_at(&mut content, offset)?;
        extended
            .add(kind, &content)
            .map_err(|_| Fault::BadHeader(offset))?;
        Ok(())
    }

    fn add(
        &mut self,
        header: &Header,
        extended: Extended,
        offset: u64,
        size: u64,
    ) -> Result<(), Error> {
        let name = extended.name.unwrap_or_else(|| dialect::name(header));
        let name = plain_name(&name)?;
        let link = || {
            extended
                .link
                .or_else(|| header.link_name_bytes().map(Into::into))
                .unwrap_or_default()
        };
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => MemberKind::File,
            EntryType::Link => MemberKind::Link(plain_name(&link())?),
            EntryType::Symlink => MemberKind::Link(linked_name(&name, &link())?),
            _ => MemberKind::Other,
        };
        let number = |bytes: &[u8]| number::field(bytes).unwrap_or_default();
        let fields = header.as_old();
        let member = Member {
            kind,
            offset,
            size,
            mode: number::field(&fields.mode).map_or(0o644, |mode| mode as u32 & 0o7777),
            uid: number(&fields.uid),
            gid: number(&fields.gid),
            mtime: number(&fields.mtime),
            uname: header.username_bytes().unwrap_or_default().to_vec(),
            gname: header.groupname_bytes().unwrap_or_default().to_vec(),
        };
        // The last of several members of one name is the one that counts.
        self.members.insert(name, member);
        Ok(())
    }
}

/// Checks a header's checksum, which is taken with spaces in its own place.
pub fn check_header(block: &[u8], position: u64) -> Result<(), Fault> {
    let bad = || Fault::BadHeader(position);
    let block: &[u8; 512] = block.try_into().map_err(|_| bad())?;
    let header = Header::from_byte_slice(block);
    let said = number::field(&header.as_old().cksum).ok_or_else(bad)?;
    let own = 148..156;
    let spaces = 8 * i64::from(b' ');
    let others = || {
        let bytes = block.iter().enumerate();
        bytes
            .filter(|(place, _)| !own.contains(place))
            .map(|(_, &byte)| byte)
    };
    // Some archivers took bytes for numbers with a sign.
    let sums = [
        spaces + others().map(i64::from).sum::<i64>(),
        spaces + others().map(|byte| i64::from(byte as i8)).sum::<i64>(),
    ];
    if sums.contains(&said) {
        Ok(())
    } else {
        Err(bad())
    }
}

/// Returns how many bytes a header says that its member has.
pub(crate) fn declared_size(header: &Header) -> Option<u64> {
    number::natural(&header.as_old().size)
}

/// Returns true if the size in a header counts bytes that follow it.
pub(crate) fn has_content(kind: EntryType) -> bool {
    !matches!(
        kind,
        EntryType::Link
            | EntryType::Symlink
            | EntryType::Directory
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo
    )
}

/// A member's name without `./` and slashes at its end.
pub fn plain_name(name: &[u8]) -> Result<String, Fault> {
    let text = String::from_utf8_lossy(name);
    // A NUL or a line end means one thing to us and another to the next reader.
    if text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Fault::BadName(text.chars().take(100).collect()));
    }
    if text.starts_with('/') || text.split('/').any(|component| component == "..") {
        return Err(Fault::Escapes(text.into_owned()));
    }
    let components: Vec<&str> = text
        .split('/')
        .filter(|c| !matches!(*c, "" | "."))
        .collect();
    Ok(components.join("/"))
}

/// The member that a symbolic link leads to: its target is relative to its directory.
fn linked_name(name: &str, target: &[u8]) -> Result<String, Fault> {
    let text = String::from_utf8_lossy(target);
    if text.len() > MAX_NAME {
        return Err(Fault::BadName(text.chars().take(100).collect()));
    }
    let escapes = || Fault::Escapes(format!("{name} -> {text}"));
    if text.starts_with('/') {
        return Err(escapes());
    }
    let mut components: Vec<&str> = name.split('/').collect();
    components.pop();
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop().ok_or_else(escapes)?;
            }
            _ => components.push(component),
        }
    }
    Ok(components.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_read() {
        for mtime in [-940_565_948, -1, 0, 1, 0o77_777_777_777, 1 << 40] {
            let mut block = vec![];
            let written = crate::gnu::Header {
                name: b"a",
                kind: crate::Kind::File,
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: 0,
                mtime,
                link: b"",
                device: (0, 0),
                xattrs: &[],
            };
            written.encode(&mut block);
            let header = Header::from_byte_slice(&block);
            assert_eq!(number::field(&header.as_old().mtime), Some(mtime));
        }
    }

    #[test]
    fn names_do_not_lead_out_of_the_archive() {
        let plain = |name: &[u8]| plain_name(name).ok();
        assert_eq!(plain(b"./a//b/").as_deref(), Some("a/b"));
        assert_eq!(plain(b"./").as_deref(), Some(""));
        assert_eq!(plain(b"/etc/passwd"), None);
        assert_eq!(plain(b"a/../../b"), None);
        let linked = |name, target: &[u8]| linked_name(name, target).ok();
        assert_eq!(
            linked("a/layer.tar", b"../b/layer.tar").as_deref(),
            Some("b/layer.tar")
        );
        assert_eq!(linked("a/layer.tar", b"x").as_deref(), Some("a/x"));
        assert_eq!(linked("a/layer.tar", b"../../b"), None);
        assert_eq!(linked("layer.tar", b"/b"), None);
    }
}
