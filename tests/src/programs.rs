//! Programs that a test writes, and that others run.
//!
//! The kernel does not run a file that a process has open for writing: "Text file busy". Each process that another
//! thread starts has all descriptors of the test until it runs its own program. So only other processes open such files.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Run;

/// Copies a program, with its permissions.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let mut copy = Command::new("cp");
    copy.args(["--preserve=mode", "--no-target-directory"]);
    Run::of(copy.arg(from.as_ref()).arg(to.as_ref())).ok();
}

/// Writes a program that `/bin/sh` runs.
pub fn script(path: impl AsRef<Path>, lines: &str) {
    write(path, &format!("#!/bin/sh\n{lines}\n"));
}

/// Writes a program with this text.
pub fn write(path: impl AsRef<Path>, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]);
    shell.arg(path.as_ref()).stdin(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success(), "{:?}", path.as_ref());
}
