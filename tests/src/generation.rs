//! The generations of consumers that the tests run: the programs on the machine, and newer ones
//! in a Debian root of their own (`tests/consumers/debian`).

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use super::{Run, fixture, peer};

/// The variable with the path of another root for [`Generation::Newer`].
const ROOT: &str = "TERRINE_NEWER_CONSUMERS";

/// The origin of the programs that take an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The programs that are installed on the machine; in CI those of Debian 12.
    Machine,
    /// The programs of the root in `target/peers/trixie` (Debian 13), or of the one that
    /// `TERRINE_NEWER_CONSUMERS` names.
    Newer,
}

/// Defines a test for each generation out of functions that take one, in the modules `machine`
/// and `newer`.
#[macro_export]
macro_rules! for_each_generation {
    ($($test:ident),+ $(,)?) => {
        mod machine {
            $(#[test]
            fn $test() {
                super::$test($crate::Generation::Machine);
            })+
        }
        mod newer {
            $(#[test]
            fn $test() {
                super::$test($crate::Generation::Newer);
            })+
        }
    };
}

impl Generation {
    /// Returns the root that the programs are in, if it is not the machine's.
    pub fn root(self) -> Option<PathBuf> {
        (self == Self::Newer).then(|| {
            std::env::var_os(ROOT).map_or_else(
                || super::workspace().join("target/peers/trixie"),
                PathBuf::from,
            )
        })
    }

    /// Returns true if a program is installed; says so aloud if not.
    pub fn has(self, program: &str) -> bool {
        let Some(root) = self.root() else {
            return peer::find(program).is_some();
        };
        if !geteuid().is_root() {
            peer::missing("programs of another root are run as root only");
            return false;
        }
        let found = ["usr/bin", "usr/sbin"]
            .iter()
            .any(|folder| root.join(folder).join(program).is_file());
        if !found {
            peer::missing(&format!(
                "`{program}` is not in `{}`; `tests/consumers/debian make trixie` makes that",
                root.display()
            ));
        }
        found
    }

    /// Returns a command of a program that keeps to a folder; nothing, said aloud, where it is not
    /// installed. Run by root, skopeo still notes in `/var/lib/containers/cache` where it has
    /// seen blobs.
    pub fn command(self, program: &str, folder: &Path) -> Option<Command> {
        if !self.has(program) {
            return None;
        }
        let mut command = match self.root() {
            None => Command::new(peer::find(program)?),
            Some(root) => {
                let mut within = Command::new(fixture("consumers/within"));
                within.arg(root).arg(program);
                within
            }
        };
        keep_to(folder, &mut command);
        Some(command)
    }

    /// Runs skopeo, whether it succeeds or fails.
    pub fn try_skopeo(self, folder: &Path, arguments: &[&str]) -> Option<Run> {
        let mut command = self.command("skopeo", folder)?;
        Some(Run::of(command.arg("--insecure-policy").args(arguments)))
    }

    /// Runs skopeo, which has to succeed.
    pub fn skopeo(self, folder: &Path, arguments: &[&str]) -> Option<Run> {
        self.try_skopeo(folder, arguments).map(Run::ok)
    }

    /// Runs umoci, which has to succeed.
    pub fn umoci(self, folder: &Path, arguments: &[&str]) -> Option<Run> {
        Some(Run::of(self.command("umoci", folder)?.args(arguments)).ok())
    }

    /// Returns the first two numbers of the version that a program prints, for example (26, 1).
    pub fn version(self, program: &str) -> Option<(u32, u32)> {
        let folder = super::temporary();
        let run = Run::of(self.command(program, folder.path())?.arg("--version")).ok();
        let text = String::from_utf8(run.stdout).unwrap();
        let version = text.split_once("version ").unwrap().1;
        let mut numbers = version.split('.').map(|number| number.parse().unwrap());
        Some((numbers.next().unwrap(), numbers.next().unwrap()))
    }
}

/// Makes a program keep to a folder, with nothing of the user's.
pub(crate) fn keep_to(folder: &Path, command: &mut Command) {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("TMPDIR", folder);
}
