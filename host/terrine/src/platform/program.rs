//! The kind of a file to a kernel that is asked to run it.

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::FileHeader;
use object::{Endian, Endianness, FileKind};

use super::Machine;

/// The number of bytes of a file that tell what it is.
pub const HEAD: usize = 4096;

/// The number of bytes of a script's first line that Linux looks at (`BINPRM_BUF_SIZE`).
const SCRIPT_LINE: usize = 256;
/// Fat Mach-O files hold a few machines; a Java class file with the same magic has its
/// version there, which is 45 and above.
const MAX_FAT: u32 = 30;

/// The type that Mach-O gives an object that is yet to be linked (`MH_OBJECT`).
const OBJECT: u32 = 1;

/// The kind of a file to a kernel that is asked to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// One for Linux and the like.
    Elf(Machine),
    /// One for Darwin, with the machines that it is made for: `arm64`.
    MachO(String),
    /// One for Windows.
    Pe,
    /// A script, with the absolute path of its interpreter.
    Script(Vec<u8>),
    /// Nothing that is known here.
    Other,
}

/// Tells a file by its first [`HEAD`] bytes, or by all of them if it has fewer.
pub fn inspect(head: &[u8]) -> Program {
    if head.starts_with(b"#!") {
        return interpreter(head)
            .filter(|path| path.starts_with(b"/"))
            .map_or(Program::Other, Program::Script);
    }
    let program = match FileKind::parse(head) {
        Ok(FileKind::Elf32) => elf_machine::<FileHeader32<Endianness>>(head, false),
        Ok(FileKind::Elf64) => elf_machine::<FileHeader64<Endianness>>(head, true),
        Ok(FileKind::MachO32 | FileKind::MachO64) => mach_o(head),
        Ok(FileKind::MachOFat32) => fat(head, 20),
        Ok(FileKind::MachOFat64) => fat(head, 32),
        Ok(FileKind::Pe32 | FileKind::Pe64) => Some(Program::Pe),
        _ => None,
    };
    program.unwrap_or(Program::Other)
}

/// Returns the path after `#!`, as it is written: up to a blank or the line's end, as Linux has it. One that is not
/// ended where Linux stops reading is not run.
pub fn interpreter(head: &[u8]) -> Option<Vec<u8>> {
    let line = head.strip_prefix(b"#!")?;
    let long = line.len() > SCRIPT_LINE - 2;
    let line = &line[..line.len().min(SCRIPT_LINE - 2)];
    if long
        && !line
            .trim_ascii_start()
            .iter()
            .any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\0'))
    {
        return None;
    }
    let line = line.split(|byte| matches!(byte, b'\n' | b'\0')).next()?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().position(|byte| !blank(byte))?;
    let path = line[start..].split(blank).next()?;
    Some(path.to_vec())
}

/// The machine of an ELF file that can be run: objects, modules and core files cannot.
fn elf_machine<H: FileHeader<Endian = Endianness>>(head: &[u8], wide: bool) -> Option<Program> {
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    let runs = kind == elf::ET_EXEC || kind == elf::ET_DYN;
    let machine = Machine::new(header.e_machine(endian), wide, endian.is_little_endian());
    runs.then_some(Program::Elf(machine))
}

fn mach_o(head: &[u8]) -> Option<Program> {
    let little = matches!(head[0], 0xce | 0xcf);
    let number = |offset| {
        let word = word(head, offset)?;
        Some(if little {
            u32::from_le_bytes(word)
        } else {
            u32::from_be_bytes(word)
        })
    };
    let runs = number(12)? != OBJECT;
    runs.then_some(Program::MachO(darwin_machine(number(4)?)))
}

/// A file for several machines. Each has an entry of so many bytes, its number first.
fn fat(head: &[u8], entry: usize) -> Option<Program> {
    let count = u32::from_be_bytes(word(head, 4)?);
    if count == 0 || count > MAX_FAT {
        return None;
    }
    let machines: Vec<String> = (0..count as usize)
        .map(|i| {
            Some(darwin_machine(u32::from_be_bytes(word(
                head,
                8 + i * entry,
            )?)))
        })
        .collect::<Option<_>>()?;
    Some(Program::MachO(machines.join("+")))
}

fn word(head: &[u8], offset: usize) -> Option<[u8; 4]> {
    head.get(offset..offset + 4)?.try_into().ok()
}

/// Returns what Go calls a machine of Mach-O.
fn darwin_machine(cpu: u32) -> String {
    const WIDE: u32 = 0x0100_0000;
    match (cpu & !WIDE, cpu & WIDE != 0) {
        (7, true) => "amd64".to_owned(),
        (7, false) => "386".to_owned(),
        (12, true) => "arm64".to_owned(),
        (12, false) => "arm".to_owned(),
        (18, true) => "ppc64".to_owned(),
        (18, false) => "ppc".to_owned(),
        _ => format!("cpu {cpu}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The start of an ELF file.
    pub(in super::super) fn elf_head(machine: u16, wide: bool, little: bool, kind: u16) -> Vec<u8> {
        let mut head = vec![0; 64];
        let order = if little { 1 } else { 2 };
        head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, order, 1]);
        let put = |value: u16| {
            if little {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            }
        };
        head[16..18].copy_from_slice(&put(kind));
        head[18..20].copy_from_slice(&put(machine));
        head[20..24].copy_from_slice(&if little {
            1_u32.to_le_bytes()
        } else {
            1_u32.to_be_bytes()
        });
        head
    }

    fn shown(head: &[u8]) -> String {
        match inspect(head) {
            Program::Elf(machine) => format!("linux/{machine}"),
            Program::MachO(machine) => format!("darwin/{machine}"),
            Program::Pe => "windows".to_owned(),
            Program::Script(path) => format!("script {}", String::from_utf8_lossy(&path)),
            Program::Other => "other".to_owned(),
        }
    }

    #[test]
    fn programs_are_told_by_their_machines() {
        for (head, expected) in [
            (elf_head(62, true, true, 2), "linux/amd64"),
            (elf_head(62, true, true, 3), "linux/amd64"),
            (elf_head(62, true, true, 1), "other"),
            (elf_head(62, true, true, 4), "other"),
            (elf_head(183, true, true, 3), "linux/arm64"),
            (elf_head(40, false, true, 2), "linux/arm"),
            (elf_head(8, false, false, 2), "linux/mips"),
            (elf_head(21, true, true, 3), "linux/ppc64le"),
            (elf_head(22, true, false, 3), "linux/s390x"),
            (elf_head(247, true, true, 3), "linux/ELF machine 247"),
        ] {
            assert_eq!(shown(&head), expected);
        }
        assert_eq!(shown(&elf_head(62, true, true, 2)[..40]), "other");
    }

    #[test]
    fn programs_of_other_systems_are_told() {
        let head = |start: &[u8]| [start, &[0; 64]].concat();
        let arm64 = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1];
        assert_eq!(shown(&head(&arm64)), "darwin/arm64");
        let fat = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2, 1, 0, 0, 7];
        let fat = [&fat[..], &[0; 16], &[1, 0, 0, 12]].concat();
        assert_eq!(shown(&head(&fat)), "darwin/amd64+arm64");
        // A Java class file.
        assert_eq!(
            shown(&head(&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52])),
            "other"
        );
        let mut pe = vec![0; 512];
        pe[..2].copy_from_slice(b"MZ");
        pe[0x3c] = 0x80;
        pe[0x80..0x84].copy_from_slice(b"PE\0\0");
        pe[0x98..0x9a].copy_from_slice(&[0x0b, 0x02]);
        assert_eq!(shown(&pe), "windows");
    }

    #[test]
    fn scripts_are_told_by_their_interpreters() {
        for (text, expected) in [
            (&b"#!/bin/sh\nexit"[..], "script /bin/sh"),
            (b"#!  /usr/bin/env python3\n", "script /usr/bin/env"),
            (b"#!/bin/sh", "script /bin/sh"),
            (&[&b"#!/"[..], &[b'x'; 300]].concat(), "other"),
            // Linux does not take the carriage return away either.
            (b"#!/bin/sh\r\n", "script /bin/sh\r"),
            (b"#!\t/bin/a\tb", "script /bin/a"),
            (b"#!sh\n", "other"),
            (b"#!\n/bin/sh", "other"),
            (b"#!", "other"),
            (b"", "other"),
            (b"text", "other"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let head = elf_head(62, true, true, 2);
        for length in 0..head.len() {
            inspect(&head[..length]);
        }
        for magic in [
            [0xca, 0xfe, 0xba, 0xbf],
            [0xfe, 0xed, 0xfa, 0xcf],
            *b"MZ\0\0",
            *b"#!/\0",
        ] {
            for length in 0..40 {
                inspect(&[&magic[..], &vec![0xff; length]].concat());
            }
        }
    }
}
