//! Interpreters of programs: what scripts name in their first line, and the dynamic loader of ELF programs.

use object::elf::{FileHeader32, FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, Pod};
use terrine_support::remark::Remark;

use super::Bytes;

/// The longest name of a loader, as Linux has it (`PATH_MAX`).
const MAX_NAME: u64 = 4096;
/// The most bytes of program headers: as many as Linux takes.
pub(super) const MAX_HEADERS: usize = 65_536;

/// The program that the kernel starts in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interpreter {
    /// Its absolute path.
    pub path: Vec<u8>,
    /// True if it is the dynamic loader of an ELF program, and not named by a script.
    pub is_loader: bool,
}

impl Interpreter {
    /// Returns a word for what it is.
    pub fn kind(&self) -> &'static str {
        if self.is_loader {
            "dynamic loader"
        } else {
            "interpreter"
        }
    }
}

/// Returns the absolute path of the dynamic loader that an ELF program is started by, given its first bytes and all of
/// them. Static programs have none.
pub fn loader(head: &[u8], file: &dyn Bytes) -> Option<Vec<u8>> {
    let name = match FileKind::parse(head).ok()? {
        FileKind::Elf32 => named::<FileHeader32<Endianness>>(head, file),
        FileKind::Elf64 => named::<FileHeader64<Endianness>>(head, file),
        _ => None,
    }?;
    name.starts_with(b"/").then_some(name)
}

fn named<H: FileHeader<Endian = Endianness>>(head: &[u8], file: &dyn Bytes) -> Option<Vec<u8>>
where
    H::ProgramHeader: Pod,
{
    let (endian, headers) = headers::<H>(head, file)?;
    let wanted = headers
        .iter()
        .find(|header| header.p_type(endian) == PT_INTERP)?;
    let length: u64 = wanted.p_filesz(endian).into();
    let length = usize::try_from(length.min(MAX_NAME)).ok()?;
    let name = read(head, file, wanted.p_offset(endian).into(), length)?;
    name.split(|&byte| byte == 0).next().map(<[u8]>::to_vec)
}

/// Reads the program headers of an ELF file, and the order of its bytes.
pub(super) fn headers<H: FileHeader<Endian = Endianness>>(
    head: &[u8],
    file: &dyn Bytes,
) -> Option<(Endianness, Vec<H::ProgramHeader>)>
where
    H::ProgramHeader: Pod,
{
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let size = usize::from(header.e_phentsize(endian));
    if size != size_of::<H::ProgramHeader>() {
        return None;
    }
    let length = size * usize::from(header.e_phnum(endian));
    let bytes = read(
        head,
        file,
        header.e_phoff(endian).into(),
        length.min(MAX_HEADERS),
    )?;
    let headers = object::pod::slice_from_all_bytes::<H::ProgramHeader>(&bytes).ok()?;
    Some((endian, headers.to_vec()))
}

/// Bytes of a file, all of them: from its start where they are there.
pub(super) fn read(head: &[u8], file: &dyn Bytes, offset: u64, length: usize) -> Option<Vec<u8>> {
    let start = usize::try_from(offset).ok()?;
    if let Some(bytes) = head.get(start..start.checked_add(length)?) {
        return Some(bytes.to_vec());
    }
    let bytes = file.read_at(offset, length).ok()?;
    (bytes.len() == length).then_some(bytes)
}

/// The reason why an interpreter cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is not in the image.
    Missing,
    /// It is a directory.
    Directory,
    /// Nobody may run it.
    NotExecutable,
}

/// Returns the warning that the interpreter of a program, or of several, cannot be started.
pub fn unusable(interpreter: &Interpreter, whose: &str, why: Unusable) -> Remark {
    let path = String::from_utf8_lossy(&interpreter.path);
    let shown = path.escape_debug();
    let what = interpreter.kind();
    let (why, hint) = match why {
        Unusable::Missing => ("is not in the image", remedy(&path, interpreter.is_loader)),
        Unusable::Directory => ("is a directory", remedy(&path, interpreter.is_loader)),
        Unusable::NotExecutable => (
            "is not executable",
            "make the file executable, or give it a `mode` in `permissions`".to_owned(),
        ),
    };
    Remark::warning(format!("the {what} `{shown}` of {whose} {why}")).hint(hint)
}

fn remedy(path: &str, is_loader: bool) -> String {
    match path {
        _ if is_loader => {
            "add its C library, link the program statically, or build it for a store path"
                .to_owned()
        }
        "/bin/sh" => "add a shell with `binSh`".to_owned(),
        "/usr/bin/env" => "add `env` with `usrBinEnv`".to_owned(),
        _ if path.ends_with('\r') => "save the script with Unix line endings".to_owned(),
        _ => format!(
            "add a package with `{path}` to `contents`, or name another interpreter in the first line"
        ),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::program::tests::elf_head;
    use super::*;

    /// A program whose program headers and loader are at these offsets.
    pub(in super::super) fn dynamic(
        wide: bool,
        little: bool,
        headers: usize,
        name_at: usize,
        name: &[u8],
    ) -> Vec<u8> {
        let mut file = elf_head(62, wide, little, 3);
        let size = if wide { 56 } else { 32 };
        file.resize(
            (headers + 2 * size)
                .max(name_at + name.len())
                .max(file.len()),
            0,
        );
        let mut put = |at: usize, width: usize, value: usize| {
            let bytes = (value as u64).to_le_bytes();
            let mut bytes = bytes[..width].to_vec();
            if !little {
                bytes.reverse();
            }
            file[at..at + width].copy_from_slice(&bytes);
        };
        let word = if wide { 8 } else { 4 };
        put(if wide { 32 } else { 28 }, word, headers);
        put(if wide { 54 } else { 42 }, 2, size);
        put(if wide { 56 } else { 44 }, 2, 2);
        // The first one is of something to load.
        put(headers, 4, 1);
        let second = headers + size;
        put(second, 4, 3);
        put(second + if wide { 8 } else { 4 }, word, name_at);
        put(second + if wide { 32 } else { 16 }, word, name.len());
        file[name_at..name_at + name.len()].copy_from_slice(name);
        file
    }

    fn of(file: &[u8]) -> Option<String> {
        let name = loader(&file[..file.len().min(super::super::HEAD)], &file)?;
        Some(String::from_utf8(name).unwrap())
    }

    #[test]
    fn loaders_are_read_wherever_they_stand() {
        let name = b"/lib64/ld-linux-x86-64.so.2\0";
        for (wide, little) in [(true, true), (true, false), (false, true), (false, false)] {
            // Programs that were changed afterwards have either at their end.
            for (headers, at) in [(64, 792), (64, 100_000), (100_000, 792), (8_192, 100_000)] {
                let file = dynamic(wide, little, headers, at, name);
                assert_eq!(of(&file).as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
                assert_eq!(of(&file[..file.len() - 3]), None);
            }
        }
        assert_eq!(of(&dynamic(true, true, 64, 792, b"ld.so\0")), None);
        assert_eq!(of(&elf_head(62, true, true, 3)), None);
        assert_eq!(of(b"#!/bin/sh\n"), None);
        for length in 0..200 {
            of(&dynamic(true, true, 64, 180, b"/ld\0")[..length.min(184)]);
        }
    }

    #[test]
    fn a_missing_interpreter_is_told_with_a_remedy() {
        for (path, is_loader, message, hint) in [
            (
                "/bin/sh",
                false,
                "the interpreter `/bin/sh` of it is not in the image",
                "binSh",
            ),
            (
                "/bin/sh\r",
                false,
                "the interpreter `/bin/sh\\r` of it is not in the image",
                "line endings",
            ),
            (
                "/usr/bin/perl",
                false,
                "the interpreter `/usr/bin/perl` of it is not in the image",
                "`/usr/bin/perl`",
            ),
            (
                "/lib/ld.so",
                true,
                "the dynamic loader `/lib/ld.so` of it is not in the image",
                "statically",
            ),
        ] {
            let path = path.as_bytes().to_vec();
            let interpreter = Interpreter { path, is_loader };
            let remark = unusable(&interpreter, "it", Unusable::Missing);
            assert_eq!(remark.message, message);
            assert!(remark.hint.unwrap().contains(hint));
            let remark = unusable(&interpreter, "it", Unusable::NotExecutable);
            assert!(remark.message.ends_with(" of it is not executable"));
            assert!(remark.hint.unwrap().contains("`mode`"));
        }
    }
}
