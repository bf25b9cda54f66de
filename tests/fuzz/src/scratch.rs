//! Files for parsers that read files. One file for each thread holds one input after the other.

use std::cell::OnceCell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

thread_local! {
    static FILE: OnceCell<File> = const { OnceCell::new() };
}

/// Returns a file with some bytes, which it has until the thread asks for another.
///
/// # Panics
///
/// If the system has no place for temporary files.
pub fn file(data: &[u8]) -> File {
    use std::io::{Seek, SeekFrom};
    FILE.with(|cell| {
        let file = cell.get_or_init(new);
        file.set_len(0).expect("an empty file");
        file.write_all_at(data, 0).expect("a place for an input");
        let mut file = file.try_clone().expect("another descriptor");
        file.seek(SeekFrom::Start(0)).expect("the start of a file");
        file
    })
}

/// Makes a file, in memory where the system has a place there: an emptied file on a disk is written when it is closed.
fn new() -> File {
    tempfile::tempfile_in("/dev/shm")
        .or_else(|_| tempfile::tempfile())
        .expect("a temporary file")
}

/// Returns a path to an open file, which need not have a name. Linux has such paths.
pub fn path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
