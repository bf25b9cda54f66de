//! The shared libraries that an ELF file needs, and the directories that it names for them.

use std::ops::Range;

use object::elf::{
    DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRSZ, DT_STRTAB, FileHeader32,
    FileHeader64, PT_DYNAMIC, PT_LOAD,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind, Pod};

use super::Bytes;
use super::loader::{headers, read};

/// The largest dynamic section that is read, in bytes.
const MAX_SECTION: u64 = 1 << 20;
/// The number of bytes that are enough for nearly all names.
const SHORT_NAME: u64 = 256;
/// The longest name that is read, in bytes: lists of directories can be long.
const MAX_NAME: u64 = 64 << 10;

/// The dynamic section of an ELF file, as far as it is about shared libraries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    /// The names of the libraries that it needs (`DT_NEEDED`), in their order.
    pub needed: Vec<Vec<u8>>,
    /// Its own name as a library (`DT_SONAME`).
    pub name: Option<Vec<u8>>,
    /// The directories of `DT_RPATH`, separated by colons.
    pub rpath: Option<Vec<u8>>,
    /// The directories of `DT_RUNPATH`, separated by colons.
    pub runpath: Option<Vec<u8>>,
}

/// Reads the dynamic section of an ELF file, given its first bytes and all of them. A static file has an empty one; none
/// where the file cannot be read as ELF.
pub fn shared(head: &[u8], file: &dyn Bytes) -> Option<Shared> {
    match FileKind::parse(head).ok()? {
        FileKind::Elf32 => Section::<FileHeader32<Endianness>>::shared(head, file),
        FileKind::Elf64 => Section::<FileHeader64<Endianness>>::shared(head, file),
        _ => None,
    }
}

/// The dynamic section of a file with headers of one width.
struct Section<'a, H: FileHeader> {
    head: &'a [u8],
    file: &'a dyn Bytes,
    endian: Endianness,
    headers: Vec<H::ProgramHeader>,
    /// Tags and values.
    entries: Vec<(i64, u64)>,
}

impl<'a, H: FileHeader<Endian = Endianness>> Section<'a, H>
where
    H::ProgramHeader: Pod,
{
    fn shared(head: &'a [u8], file: &'a dyn Bytes) -> Option<Shared> {
        let (endian, headers) = headers::<H>(head, file)?;
        let mut section = Self {
            head,
            file,
            endian,
            headers,
            entries: vec![],
        };
        section.entries = section.read_entries()?;
        if section.entries.is_empty() {
            return Some(Shared::default());
        }
        let names = section.names()?;
        let name = |at: u64| section.name(&names, at);
        let first = |tag| section.value(tag).map(name);
        let needed = section.entries.iter().filter(|(tag, _)| *tag == DT_NEEDED);
        Some(Shared {
            needed: needed.map(|&(_, at)| name(at)).collect::<Option<_>>()?,
            name: first(DT_SONAME).flatten(),
            rpath: first(DT_RPATH).flatten(),
            runpath: first(DT_RUNPATH).flatten(),
        })
    }

    /// Reads the tags and values up to the end mark; none of a static file.
    fn read_entries(&self) -> Option<Vec<(i64, u64)>> {
        let endian = self.endian;
        let is_dynamic = |header: &&H::ProgramHeader| header.p_type(endian) == PT_DYNAMIC;
        let Some(header) = self.headers.iter().find(is_dynamic) else {
            return Some(vec![]);
        };
        let size = header.p_filesz(endian).into().min(MAX_SECTION);
        let whole = size - size % size_of::<H::Dyn>() as u64;
        let bytes = self.read(header.p_offset(endian).into(), whole)?;
        let entries = object::pod::slice_from_all_bytes::<H::Dyn>(&bytes).ok()?;
        let entries = entries
            .iter()
            .map(|entry| (entry.tag(endian), entry.val(endian)));
        Some(entries.take_while(|&(tag, _)| tag != DT_NULL).collect())
    }

    /// Finds the table of names: its place in the file, in bytes.
    fn names(&self) -> Option<Range<u64>> {
        let (address, size) = (self.value(DT_STRTAB)?, self.value(DT_STRSZ)?);
        let start = self.headers.iter().find_map(|header| {
            let start: u64 = header.p_vaddr(self.endian).into();
            let length: u64 = header.p_filesz(self.endian).into();
            let within = address.checked_sub(start).filter(|&within| within < length);
            let is_loaded = header.p_type(self.endian) == PT_LOAD;
            let offset: u64 = header.p_offset(self.endian).into();
            within.filter(|_| is_loaded)?.checked_add(offset)
        })?;
        Some(start..start.checked_add(size)?)
    }

    /// Reads the name at an offset of the table, up to its zero byte.
    fn name(&self, names: &Range<u64>, at: u64) -> Option<Vec<u8>> {
        let start = names.start.checked_add(at)?;
        let rest = names.end.checked_sub(start)?;
        [SHORT_NAME, MAX_NAME].into_iter().find_map(|most| {
            let bytes = self.read(start, rest.min(most))?;
            let end = bytes.iter().position(|&byte| byte == 0)?;
            Some(bytes[..end].to_vec())
        })
    }

    fn value(&self, tag: i64) -> Option<u64> {
        let entry = self.entries.iter().find(|entry| entry.0 == tag);
        entry.map(|&(_, value)| value)
    }

    fn read(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        read(self.head, self.file, offset, usize::try_from(length).ok()?)
    }
}
