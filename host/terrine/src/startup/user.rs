//! The user that containers run as.

use terrine_support::remark::Remark;

use super::config::Config;
use super::{Files, Resolved, resolve};

/// The largest number of a user or a group that container engines take.
const MAX_ID: i64 = i32::MAX as i64;
/// The largest file of users that is read, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// Looks for a user and its group.
pub(super) fn check(config: &Config, files: &dyn Files) -> Vec<Remark> {
    let (user, group) = config.user.split_once(':').unwrap_or((&config.user, ""));
    let user = one(files, user, "user", "/etc/passwd");
    // Who is not known has no group either.
    let group = || one(files, group, "group", "/etc/group");
    user.or_else(group).into_iter().collect()
}

/// Looks for the name of a user or a group in the file that has them.
fn one(files: &dyn Files, name: &str, what: &str, file: &str) -> Option<Remark> {
    if name.is_empty() {
        return None;
    }
    if is_number(name) {
        let fits = name.parse().is_ok_and(|id| (0..=MAX_ID).contains(&id));
        let message =
            format!("`User` asks for the {what} `{name}`, which no container engine takes");
        let hint = format!("numbers of users and groups are between 0 and {MAX_ID}");
        return (!fits).then(|| Remark::warning(message).hint(hint));
    }
    let message = match resolve(files, file.as_bytes()) {
        Resolved::File { path, .. } => {
            let text = files.read(&path, MAX_SIZE + 1)?;
            if text.len() > MAX_SIZE || names(&text).any(|known| known == name.as_bytes()) {
                return None;
            }
            format!(
                "`User` asks for the {what} `{name}`, which `{file}` of the image does not have"
            )
        }
        Resolved::Nothing(_) => {
            format!("`User` asks for the {what} `{name}`, and the image has no `{file}`")
        }
        Resolved::Unknown | Resolved::Directory => return None,
    };
    Some(Remark::warning(message).hint(remedy(name, what)))
}

fn remedy(name: &str, what: &str) -> String {
    if name == "root" {
        return "write the number `0`, or add users and groups with `fakeNss`".to_owned();
    }
    let lines = if what == "user" {
        "extraPasswdLines"
    } else {
        "extraGroupLines"
    };
    format!("add it with `fakeNss` and `{lines}`, or write its number")
}

fn is_number(name: &str) -> bool {
    let digits = name.strip_prefix(['-', '+']).unwrap_or(name);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The names in a file of users or groups.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b':').next())
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn said(entries: &[&str], user: &str) -> String {
        let config = Config {
            user: user.to_owned(),
            ..Config::default()
        };
        let remarks = check(&config, &Tree::of(entries));
        let messages: Vec<&str> = remarks.iter().map(|remark| &*remark.message).collect();
        messages.join("; ")
    }

    /// What docker 20.10 and podman 4.3 start, and what they do not.
    #[test]
    fn users_and_groups_have_to_be_known() {
        let files = &[
            "/etc/passwd=root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
            "/etc/group=root:x:0:\nstaff:x:50:\n",
        ];
        for user in [
            "",
            "app",
            "root",
            "4242",
            "4242:staff",
            "app:77",
            "app:",
            ":staff",
            "0:root",
            "+5",
        ] {
            assert_eq!(said(files, user), "", "{user}");
        }
        let passwd = |user: &str| {
            format!(
                "`User` asks for the user `{user}`, which `/etc/passwd` of the image does not have"
            )
        };
        for user in ["nobody", " app", "ap", "nobody:nogroup"] {
            assert_eq!(said(files, user), passwd(user.split(':').next().unwrap()));
        }
        assert_eq!(
            said(files, "app:nogroup"),
            "`User` asks for the group `nogroup`, which `/etc/group` of the image does not have"
        );
        for user in ["3000000000", "-1", "99999999999999999999"] {
            assert_eq!(
                said(files, user),
                format!("`User` asks for the user `{user}`, which no container engine takes")
            );
        }
    }

    #[test]
    fn root_is_a_name_like_any_other() {
        for (user, missing) in [
            (
                "root",
                "`User` asks for the user `root`, and the image has no `/etc/passwd`",
            ),
            (
                "0:root",
                "`User` asks for the group `root`, and the image has no `/etc/group`",
            ),
            ("0", ""),
            ("0:0", ""),
        ] {
            assert_eq!(said(&[], user), missing);
        }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        assert_eq!(said(&["/etc?"], "app"), "");
        assert_eq!(said(&["/etc/passwd?"], "app"), "");
        assert_eq!(said(&["/etc/passwd -> /nix/passwd", "/nix?"], "app"), "");
        let linked = &["/etc/passwd -> /nix/passwd", "/nix/passwd=app:x:1:1:::"];
        assert_eq!(said(linked, "app"), "");
    }
}
