//! The directories that a dynamic loader searches.

use super::super::{Files, Resolved, resolve};

/// The directories that the loaders of glibc's distributions search without being told.
const GNU: &[&str] = &[
    "/lib",
    "/usr/lib",
    "/lib64",
    "/usr/lib64",
    "/lib32",
    "/usr/lib32",
    "/libx32",
    "/usr/libx32",
];
/// Directories below `lib` and `/usr/lib` in which Debian has the libraries of one machine each.
const MULTIARCH: &[&str] = &[
    "x86_64-linux-gnu",
    "aarch64-linux-gnu",
    "i386-linux-gnu",
    "arm-linux-gnueabihf",
    "arm-linux-gnueabi",
    "powerpc64le-linux-gnu",
    "s390x-linux-gnu",
    "riscv64-linux-gnu",
    "loongarch64-linux-gnu",
    "mips64el-linux-gnuabi64",
    "x86_64-linux-gnux32",
];
/// The directories that musl's loader searches where no file lists others.
const MUSL: &[&str] = &["/lib", "/usr/local/lib", "/usr/lib"];
/// Beginnings of the names of libraries that are in musl's loader itself.
const IN_MUSL: &[&str] = &[
    "libc.",
    "libpthread.",
    "librt.",
    "libm.",
    "libdl.",
    "libutil.",
    "libxnet.",
];
/// The largest file that lists musl's directories, in bytes.
const MAX_LIST: usize = 64 << 10;

/// The C library that a loader is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Gnu,
    Musl,
}

impl Dialect {
    /// Tells a loader by its path; none for one whose rules are not known.
    pub(super) fn of(loader: &[u8], files: &dyn Files) -> Option<Self> {
        let (directory, name) = split(loader);
        if name.starts_with(b"ld-musl-") {
            return Some(Self::Musl);
        }
        // Alpine's gcompat runs programs for glibc with musl's loader.
        let gcompat = resolve(files, &[directory, b"/libgcompat.so.0"].concat());
        let is_gnu = [&b"ld-linux"[..], b"ld64.so", b"ld.so.1"]
            .iter()
            .any(|start| name.starts_with(start));
        (is_gnu && matches!(gcompat, Resolved::Nothing(_))).then_some(Self::Gnu)
    }

    /// Returns true for a library that the loader is itself.
    pub(super) fn has_built_in(self, library: &[u8]) -> bool {
        let starts = |start: &&str| library.starts_with(start.as_bytes());
        self == Self::Musl && IN_MUSL.iter().any(starts)
    }

    /// Returns the directories that are searched for every program; none where that is not known.
    pub(super) fn default_directories(
        self,
        loader: &[u8],
        files: &dyn Files,
    ) -> Option<Vec<Vec<u8>>> {
        let fixed = |list: &[&str]| list.iter().map(|path| path.as_bytes().to_vec()).collect();
        let mut directories: Vec<Vec<u8>> = match self {
            Self::Gnu => fixed(GNU),
            Self::Musl => listed(loader, files)?.unwrap_or_else(|| fixed(MUSL)),
        };
        if self == Self::Gnu {
            for parent in ["/lib", "/usr/lib"] {
                directories.extend(
                    MULTIARCH
                        .iter()
                        .map(|name| [parent, "/", name].concat().into()),
                );
            }
        }
        // Loaders in a store search the directory that they are in.
        directories.push(split(loader).0.to_vec());
        if let Resolved::File { path, .. } = resolve(files, loader) {
            directories.push(split(&path).0.to_vec());
        }
        Some(directories)
    }
}

/// Returns the directories that a file lists for musl's loader: `Some(None)` where there is no such file, none where it
/// is not known.
fn listed(loader: &[u8], files: &dyn Files) -> Option<Option<Vec<Vec<u8>>>> {
    let (directory, name) = split(loader);
    let machine = name.strip_prefix(b"ld-musl-")?;
    let machine = machine.split(|&byte| byte == b'.').next()?;
    let prefix = split(directory).0;
    let file = [prefix, b"/etc/ld-musl-", machine, b".path"].concat();
    match resolve(files, &file) {
        Resolved::Nothing(_) => Some(None),
        Resolved::File { path, .. } => {
            let text = files.read(&path, MAX_LIST)?;
            let lines = text.split(|byte| matches!(byte, b':' | b'\n'));
            let lines = lines.filter(|line| !line.is_empty());
            Some(Some(lines.map(<[u8]>::to_vec).collect()))
        }
        Resolved::Unknown | Resolved::Directory => None,
    }
}

/// Replaces `$ORIGIN` and `$LIB` in a directory by all that they may stand for; none where it takes more to tell.
pub(super) fn expanded(directory: &[u8], origins: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let mut libs: Vec<Vec<u8>> = vec![b"lib".to_vec(), b"lib64".to_vec(), b"lib32".to_vec()];
    libs.extend(MULTIARCH.iter().map(|name| ["lib/", name].concat().into()));
    let libs: Vec<&[u8]> = libs.iter().map(Vec::as_slice).collect();
    let expanded = replaced(directory, "ORIGIN", origins);
    let expanded: Vec<Vec<u8>> = expanded
        .iter()
        .flat_map(|directory| replaced(directory, "LIB", &libs))
        .collect();
    let is_open = expanded.iter().any(|directory| directory.contains(&b'$'));
    (!is_open).then_some(expanded)
}

/// Replaces the first `$NAME` or `${NAME}` of a text by each of some values; loaders allow more than one, and nobody
/// writes that.
fn replaced(text: &[u8], name: &str, values: &[&[u8]]) -> Vec<Vec<u8>> {
    let at = [format!("${{{name}}}"), format!("${name}")]
        .into_iter()
        .find_map(|token| {
            let mut windows = text.windows(token.len());
            Some((
                windows.position(|part| part == token.as_bytes())?,
                token.len(),
            ))
        });
    let Some((start, length)) = at else {
        return vec![text.to_vec()];
    };
    let (before, after) = (&text[..start], &text[start + length..]);
    values
        .iter()
        .map(|value| [before, value, after].concat())
        .collect()
}

/// Splits a path into its directory, which is empty for the root, and its last name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
