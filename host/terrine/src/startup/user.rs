//! The user that containers run as.

use terrine_support::remark::Remark;

use super::config::Config;
use super::{Files, Resolved, resolve};

/// The largest number of a user or a group that container engines take.
const MAX_ID: i64 = i32::MAX as i64;
/// The length of a line of such a file at which container engines stop reading, in bytes.
const LONGEST: usize = 1 << 16;
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

/// The numbers of a user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) uid: i64,
    /// The group, and those that the user is in beside it.
    pub(super) gids: Vec<i64>,
}

/// Returns the numbers of the user that containers run as, as far as they are known.
pub(super) fn ids(config: &Config, files: &dyn Files) -> Option<Ids> {
    let (user, group) = config.user.split_once(':').unwrap_or((&config.user, ""));
    if user.is_empty() {
        return None;
    }
    let users = known(files, "/etc/passwd")?;
    let groups = known(files, "/etc/group")?;
    let number = user.parse::<i64>().ok();
    let line = lines(&users).find(|line| {
        let is_named = field(line, 0) == Some(user);
        is_named || number.is_some() && id(line) == number
    });
    let uid = line.as_ref().map_or(number, id)?;
    let own = line.as_ref().and_then(|line| field(line, 3)?.parse().ok());
    let mut gids = vec![match group {
        "" => own.unwrap_or(0),
        group => match group.parse() {
            Ok(number) => number,
            Err(_) => id(&lines(&groups).find(|line| field(line, 0) == Some(group))?)?,
        },
    }];
    let name = line.as_ref().and_then(|line| field(line, 0));
    let has = |line: &Vec<&str>| {
        let members = field(line, 3).unwrap_or_default();
        name.is_some_and(|name| members.split(',').any(|member| member == name))
    };
    gids.extend(lines(&groups).filter(has).filter_map(|line| id(&line)));
    Some(Ids { uid, gids })
}

/// Returns the text of a file of users or groups: none where it is not known, and an empty one where there is none.
fn known(files: &dyn Files, file: &str) -> Option<String> {
    match resolve(files, file.as_bytes()) {
        Resolved::File { path, .. } => {
            let text = files.read(&path, MAX_SIZE + 1)?;
            let is_whole = text.len() <= MAX_SIZE;
            String::from_utf8(text).ok().filter(|_| is_whole)
        }
        Resolved::Nothing(_) => Some(String::new()),
        Resolved::Unknown | Resolved::Directory => None,
    }
}

/// The lines of such a file, each as its fields.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.trim().split(':').collect())
}

fn field<'a>(line: &[&'a str], number: usize) -> Option<&'a str> {
    line.get(number).copied()
}

/// The number of a user or a group.
fn id(line: &Vec<&str>) -> Option<i64> {
    field(line, 2)?.parse().ok()
}

/// Looks for the name of a user or a group in the file that has them.
fn one(files: &dyn Files, name: &str, what: &str, file: &str) -> Option<Remark> {
    if name.is_empty() {
        return None;
    }
    if is_number(name) {
        let fits = name.parse().is_ok_and(|id| (0..=MAX_ID).contains(&id));
        let message =
            format!("`User` asks for the {what} `{name}`, which no container engine accepts");
        let hint = format!("numbers of users and groups are between 0 and {MAX_ID}");
        return (!fits).then(|| Remark::warning(message).hint(hint));
    }
    let message = match resolve(files, file.as_bytes()) {
        Resolved::File { path, .. } => {
            let text = files.read(&path, MAX_SIZE + 1)?;
            if text.len() > MAX_SIZE {
                return None;
            }
            match find(&text, name) {
                Entry::Usable => return None,
                Entry::Number(number) => format!(
                    "`User` asks for the {what} `{name}`, whose number in `{file}` is {number}, which no container engine accepts"
                ),
                Entry::Missing => format!(
                    "`User` asks for the {what} `{name}`, which `{file}` of the image does not have"
                ),
                Entry::Behind => format!(
                    "`User` asks for the {what} `{name}`, but `{file}` of the image has a line of more than {LONGEST} bytes before it, at which container engines stop"
                ),
            }
        }
        Resolved::Nothing(_) => {
            format!("`User` asks for the {what} `{name}`, but the image has no `{file}`")
        }
        Resolved::Directory => {
            format!("`User` asks for the {what} `{name}`, but `{file}` of the image is a directory")
        }
        Resolved::Unknown => return None,
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

/// A name in a file of users or groups.
enum Entry {
    /// Container engines find it.
    Usable,
    /// It has a number that they do not take.
    Number(i64),
    /// It is behind a line that they do not read.
    Behind,
    /// It is not there.
    Missing,
}

/// Looks for a name in the lines of such a file.
fn find(text: &[u8], name: &str) -> Entry {
    let mut is_behind = false;
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':').map(<[u8]>::trim_ascii);
        if fields.next() == Some(name.as_bytes()) {
            let number = fields.nth(1).and_then(|number| {
                let number = std::str::from_utf8(number).ok()?;
                number.parse::<i64>().ok()
            });
            return match number {
                _ if is_behind => Entry::Behind,
                Some(number) if !(0..=MAX_ID).contains(&number) => Entry::Number(number),
                _ => Entry::Usable,
            };
        }
        is_behind |= line.len() >= LONGEST;
    }
    Entry::Missing
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

    /// Users that docker 20.10 and podman 4.3 start, and users that they do not.
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
                format!("`User` asks for the user `{user}`, which no container engine accepts")
            );
        }
    }

    #[test]
    fn files_that_engines_do_not_read_are_told() {
        let long = format!("/etc/passwd={}\napp:x:1:1:::\n", "x".repeat(70_000));
        for (entry, expected) in [
            (
                "/etc/passwd/",
                "but `/etc/passwd` of the image is a directory",
            ),
            (&long, "has a line of more than 65536 bytes before it"),
            (
                "/etc/passwd=app:x:-1:1:::\n",
                "whose number in `/etc/passwd` is -1, which no container engine accepts",
            ),
        ] {
            let said = said(&[entry], "app");
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn root_is_a_name_like_any_other() {
        for (user, missing) in [
            (
                "root",
                "`User` asks for the user `root`, but the image has no `/etc/passwd`",
            ),
            (
                "0:root",
                "`User` asks for the group `root`, but the image has no `/etc/group`",
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
