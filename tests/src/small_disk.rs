//! Small file systems: in memory, and with a clock of steps.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::peer;

/// A file system, which is unmounted with the value.
///
/// The folder that it covers is to be removed later, so a test makes that before it.
#[derive(Debug)]
pub struct SmallDisk {
    place: PathBuf,
    is_mounted: bool,
}

impl SmallDisk {
    /// Mounts one with options at a folder; nothing, said aloud, where that cannot be.
    pub fn at(place: &Path, options: &str) -> Option<Self> {
        if !mount(place, options) {
            peer::missing("a small file system cannot be mounted here");
            return None;
        }
        Some(Self {
            place: place.to_owned(),
            is_mounted: true,
        })
    }

    /// Mounts one whose clock moves in steps of milliseconds, as that of all does before Linux 6.13, and that uses the
    /// numbers of files again. Nothing, said aloud, where that cannot be.
    pub fn with_steps(place: &Path) -> Option<Self> {
        // Linux has ext3 by the driver of ext4, with times of birth, but without its finer clock.
        const SCRIPT: &str = "set -e; truncate -s 128M \"$1.disk\"; mkfs.ext3 -q -I 256 \"$1.disk\"
            mount -t ext3 -o loop \"$1.disk\" \"$1\"; rm \"$1.disk\"";
        let mut command = Command::new("sh");
        let status = command.args(["-c", SCRIPT, "sh"]).arg(place).status();
        if !status.is_ok_and(|status| status.success()) {
            peer::missing("a file system with a clock of steps cannot be mounted here");
            return None;
        }
        Some(Self {
            place: place.to_owned(),
            is_mounted: true,
        })
    }

    /// Mounts it again with other options. Returns whether that could be done.
    pub fn remount(&self, options: &str) -> bool {
        mount(&self.place, &format!("remount,{options}"))
    }

    /// Unmounts it, which nothing may prevent.
    pub fn unmount(mut self) {
        self.is_mounted = false;
        let status = Command::new("umount").arg(&self.place).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            // The test has failed already. A file of it may still be open.
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(&self.place)
                .status();
        }
    }
}

fn mount(place: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
    let status = command.arg(place).status();
    status.is_ok_and(|status| status.success())
}
