//! Checks of whether the user that containers run as may run the command.

use terrine_support::remark::Remark;

use super::config::Config;
use super::user::{Ids, ids};
use super::{Access, Files};

/// The permission bits of others, of which those of the group and the owner are multiples.
const READ: u32 = 4;
const EXECUTE: u32 = 1;

/// Checks whether the user may run the program at a path without links, and pass through the directories that it lies
/// in. Root may do all of that.
pub(super) fn check(config: &Config, files: &dyn Files, path: &[u8], role: &str) -> Option<Remark> {
    let ids = ids(config, files).filter(|ids| ids.uid != 0)?;
    let denied = |path: &[u8], bit: u32| {
        files
            .access(path)
            .is_some_and(|access| !ids.may(&access, bit))
    };
    let user = config.user.split(':').next().unwrap_or_default();
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for (end, _) in ends {
        let directory = &path[..end.max(1)];
        if denied(directory, EXECUTE) {
            let shown = String::from_utf8_lossy(directory);
            let message = format!("{role} is in `{shown}`, which the user `{user}` cannot enter");
            return Some(Remark::warning(message).hint(
                "give the directory another `mode` or owner in `permissions`, or name another `User`",
            ));
        }
    }
    let is_script = || files.read(path, 2).is_some_and(|start| start == b"#!");
    let message = if denied(path, EXECUTE) {
        format!("{role} is not executable for the user `{user}`")
    } else if denied(path, READ) && is_script() {
        format!("{role} is a script that the user `{user}` cannot read")
    } else {
        return None;
    };
    Some(
        Remark::warning(message)
            .hint("give the file another `mode` or owner in `permissions`, or name another `User`"),
    )
}

impl Ids {
    /// Tells whether permission bits give this user one of those of others.
    fn may(&self, access: &Access, bit: u32) -> bool {
        let shift = if self.uid == access.uid {
            6
        } else if self.gids.contains(&access.gid) {
            3
        } else {
            0
        };
        access.mode >> shift & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn said(user: &str, owners: &[(&str, u32, i64, i64)]) -> String {
        let config = Config {
            user: user.to_owned(),
            ..Config::default()
        };
        let tree = Tree::of(&[
            "/opt/run*=#!/bin/sh\n",
            "/etc/passwd=app:x:1000:100::/:/bin/sh\n",
            "/etc/group=users:x:100:\nstaff:x:50:app,other\n",
        ]);
        let tree = owners.iter().fold(tree, |tree, &(path, mode, uid, gid)| {
            tree.owned(path, Access { mode, uid, gid })
        });
        let remark = check(&config, &tree, b"/opt/run", "the command `/run`");
        remark.map_or(String::new(), |remark| remark.message)
    }

    #[test]
    fn users_run_what_their_bits_allow() {
        let not = "the command `/run` is not executable for the user";
        for (user, mode, uid, gid, expected) in [
            ("", 0o700, 7, 7, String::new()),
            ("0", 0o700, 7, 7, String::new()),
            ("1000", 0o700, 1000, 0, String::new()),
            ("1000", 0o700, 0, 0, format!("{not} `1000`")),
            ("app", 0o700, 0, 0, format!("{not} `app`")),
            // The owner's bits count for the owner.
            ("app", 0o077, 1000, 0, format!("{not} `app`")),
            ("app", 0o750, 0, 100, String::new()),
            ("app", 0o750, 0, 50, String::new()),
            ("app", 0o750, 0, 7, format!("{not} `app`")),
            ("4242:50", 0o750, 0, 50, String::new()),
            ("4242", 0o750, 0, 0, String::new()),
            ("4242", 0o750, 0, 50, format!("{not} `4242`")),
            (
                "app",
                0o711,
                0,
                0,
                "the command `/run` is a script that the user `app` cannot read".to_owned(),
            ),
            ("app", 0o755, 0, 0, String::new()),
            // Who is unknown is told elsewhere.
            ("nobody", 0o700, 0, 0, String::new()),
        ] {
            let said = said(user, &[("/opt/run", mode, uid, gid)]);
            assert_eq!(said, expected, "{user} {mode:o} {uid} {gid}");
        }
    }

    #[test]
    fn users_pass_through_directories() {
        assert_eq!(
            said("app", &[("/opt", 0o700, 0, 0)]),
            "the command `/run` is in `/opt`, which the user `app` cannot enter"
        );
        assert_eq!(
            said("app", &[("/", 0o700, 0, 0)]),
            "the command `/run` is in `/`, which the user `app` cannot enter"
        );
        assert_eq!(said("app", &[("/opt", 0o711, 0, 0)]), "");
    }
}
