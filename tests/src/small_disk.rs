//! Small file systems in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::peer;

/// A file system in memory, which is unmounted with the value.
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
