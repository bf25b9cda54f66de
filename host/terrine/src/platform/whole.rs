//! The check that an ELF file is complete, and one that the kernel runs.

use object::elf::{ET_DYN, ET_EXEC, FileHeader32, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, Pod};

use super::Bytes;
use super::loader::{MAX_HEADERS, read};

/// The reason why an ELF file does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElfDefect {
    /// The kernel cannot read its header.
    Header,
    /// It is an object to be linked, a module or what is left of a process.
    NoProgram,
    /// The program headers, by which it is loaded, are missing or cut off.
    ProgramHeaders,
    /// It ends before what is loaded of it does.
    CutOff,
}

/// Returns the reason why an ELF file does not run, given its first bytes and all of them; none where nothing is wrong
/// with its form, or it cannot be read.
pub fn elf_defect(head: &[u8], file: &dyn Bytes) -> Option<ElfDefect> {
    match FileKind::parse(head) {
        Ok(FileKind::Elf32) => defect::<FileHeader32<Endianness>>(head, file),
        Ok(FileKind::Elf64) => defect::<FileHeader64<Endianness>>(head, file),
        _ => Some(ElfDefect::Header),
    }
}

fn defect<H: FileHeader<Endian = Endianness>>(head: &[u8], file: &dyn Bytes) -> Option<ElfDefect>
where
    H::ProgramHeader: Pod,
{
    let Ok(header) = H::parse(head) else {
        return Some(ElfDefect::Header);
    };
    let Ok(endian) = header.endian() else {
        return Some(ElfDefect::Header);
    };
    if ![ET_EXEC, ET_DYN].contains(&header.e_type(endian)) {
        return Some(ElfDefect::NoProgram);
    }
    let size = usize::from(header.e_phentsize(endian));
    let length = size * usize::from(header.e_phnum(endian));
    if size != size_of::<H::ProgramHeader>() || length == 0 || length > MAX_HEADERS {
        return Some(ElfDefect::ProgramHeaders);
    }
    let Some(headers) = read(head, file, header.e_phoff(endian).into(), length) else {
        return Some(ElfDefect::ProgramHeaders);
    };
    let headers = object::pod::slice_from_all_bytes::<H::ProgramHeader>(&headers).ok()?;
    let loaded = headers
        .iter()
        .filter(|header| header.p_type(endian) == PT_LOAD)
        .map(|header| {
            let (offset, size) = (header.p_offset(endian), header.p_filesz(endian));
            (offset.into(), size.into())
        });
    let ends = loaded.filter(|&(_, size): &(u64, u64)| size > 0);
    let end = ends
        .map(|(offset, size)| offset.saturating_add(size))
        .max()?;
    let last = file.read_at(end - 1, 1).ok()?;
    last.is_empty().then_some(ElfDefect::CutOff)
}

#[cfg(test)]
mod tests {
    use super::super::HEAD;
    use super::super::loader::tests::dynamic;
    use super::super::program::tests::elf_head;
    use super::*;

    fn of(file: &[u8]) -> Option<ElfDefect> {
        elf_defect(&file[..file.len().min(HEAD)], &file)
    }

    /// A program whose first segment has this many bytes from its start.
    fn program(wide: bool, size: usize) -> Vec<u8> {
        let mut file = dynamic(wide, true, 64, 200, b"/ld\0");
        file.resize(9000, 0);
        let at = 64 + if wide { 32 } else { 16 };
        file[at..at + 4].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        file
    }

    #[test]
    fn programs_are_whole() {
        for wide in [true, false] {
            assert_eq!(of(&program(wide, 0)), None);
            assert_eq!(of(&program(wide, 9000)), None);
            assert_eq!(of(&program(wide, 9001)), Some(ElfDefect::CutOff));
            let file = program(wide, 9000);
            for (length, expected) in [
                (4, ElfDefect::Header),
                (20, ElfDefect::Header),
                (100, ElfDefect::ProgramHeaders),
                (8999, ElfDefect::CutOff),
            ] {
                assert_eq!(of(&file[..length]), Some(expected), "{length}");
            }
        }
        for kind in [1, 4] {
            assert_eq!(
                of(&elf_head(62, true, true, kind)),
                Some(ElfDefect::NoProgram)
            );
        }
        assert_eq!(
            of(&elf_head(62, true, true, 2)),
            Some(ElfDefect::ProgramHeaders)
        );
    }
}
