//! The maps of ids of a user name space.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use rustix::process::{getegid, geteuid};

use super::Trying;
use crate::Level;
use crate::emulate::Granted;
use crate::request::Refusal;

/// The map of a name space of which every id is that of the machine.
const EVERY: (u32, u32) = (0, u32::MAX);
/// The number of ids that root takes for a range of its own.
const RANGE: u32 = 65536;

/// Gives the user name space of a process its ids. Returns those of which the kernel makes owners.
pub(super) fn map(pid: i32, level: Level) -> Result<Granted, Refusal> {
    let ids = match level {
        Level::Real => all(pid),
        Level::Range if geteuid().is_root() => first(pid),
        Level::Range => range(pid),
        Level::Single | Level::Record => single(pid),
    }?;
    Ok(Granted {
        ids,
        devices: false,
    })
}

/// Returns whether every id that there is can be an owner here.
pub(super) fn is_every() -> bool {
    ["/proc/self/uid_map", "/proc/self/gid_map"]
        .into_iter()
        .all(|map| fs::read_to_string(map).is_ok_and(|text| ranges(&text) == [EVERY]))
}

/// Returns the rights that the kernel grants root outside of any user name space.
pub(super) fn everything() -> Granted {
    Granted {
        ids: vec![(0, u32::MAX - 1)],
        devices: true,
    }
}

/// Ranges of ids from the first to the last.
type Ids = Vec<(u32, u32)>;

fn write(pid: i32, file: &str, text: &str) -> Result<(), Refusal> {
    fs::write(format!("/proc/{pid}/{file}"), text).trying(format!("writing `{file}`"))
}

/// All ids that there are here, each as itself.
fn all(pid: i32) -> Result<Ids, Refusal> {
    let mut granted = vec![];
    for (file, from) in [
        ("uid_map", "/proc/self/uid_map"),
        ("gid_map", "/proc/self/gid_map"),
    ] {
        let text = fs::read_to_string(from).trying(format!("reading `{from}`"))?;
        let ranges = ranges(&text);
        let lines = ranges
            .iter()
            .map(|(first, count)| format!("{first} {first} {count}\n"));
        write(pid, file, &lines.collect::<String>())?;
        if granted.is_empty() {
            let last = |(first, count): (u32, u32)| (first, first.saturating_add(count - 1));
            granted = ranges.into_iter().map(last).collect();
        }
    }
    Ok(granted)
}

/// The ranges of ids within a name space, each with its first one and how many there are.
fn ranges(map: &str) -> Vec<(u32, u32)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next()?.parse().ok()?;
        let count: u32 = words.nth(1)?.parse().ok()?;
        (count > 0).then_some((first, count))
    };
    map.lines().filter_map(line).collect()
}

/// The first ids that there are, by who may map them without help.
fn first(pid: i32) -> Result<Ids, Refusal> {
    for file in ["uid_map", "gid_map"] {
        write(pid, file, &format!("0 0 {RANGE}\n"))?;
    }
    Ok(vec![(0, RANGE - 1)])
}

/// The own id as root's, and the subordinate ones after it.
fn range(pid: i32) -> Result<Ids, Refusal> {
    let mut most = u32::MAX;
    let ids = [
        ("newuidmap", "/etc/subuid", geteuid().as_raw()),
        ("newgidmap", "/etc/subgid", getegid().as_raw()),
    ];
    for (program, file, own) in ids {
        let text = fs::read_to_string(file).trying(format!("reading `{file}`"))?;
        let (first, count) = subordinate(&text, geteuid().as_raw())
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
            .trying(format!("finding ids in `{file}`"))?;
        let arguments = [pid as u32, 0, own, 1, 1, first, count].map(|number| number.to_string());
        let status = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .trying(format!("starting `{program}`"))?;
        if !status.success() {
            return Err(io::Error::from_raw_os_error(libc::EPERM)).trying(format!("`{program}`"));
        }
        most = most.min(count);
    }
    Ok(vec![(0, most)])
}

/// The largest range of subordinate ids that a file gives a user.
fn subordinate(text: &str, uid: u32) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then_some(name)
    });
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let user = fields.next()?;
        let first = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let is_ours = Some(user) == name || user == uid.to_string();
        (is_ours && count > 0).then_some((first, count))
    };
    text.lines()
        .filter_map(line)
        .max_by_key(|(_, count)| *count)
}

/// The own id as root's, and no other.
fn single(pid: i32) -> Result<Ids, Refusal> {
    write(pid, "setgroups", "deny")?;
    write(pid, "uid_map", &format!("0 {} 1\n", geteuid().as_raw()))?;
    write(pid, "gid_map", &format!("0 {} 1\n", getegid().as_raw()))?;
    Ok(vec![])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_this_name_space_are_read() {
        let text = "         0          0 4294967295\n";
        assert_eq!(ranges(text), [(0, u32::MAX)]);
        assert_eq!(ranges("0 1000 1\n1 100000 65536\n"), [(0, 1), (1, 65536)]);
        assert_eq!(ranges("x\n0 0 0\n"), []);
    }

    #[test]
    fn the_largest_range_of_a_user_is_taken() {
        let text = "other:1:65536\n4294967290:200000:1000\n4294967290:300000:65536\nbad\n";
        assert_eq!(subordinate(text, 4_294_967_290), Some((300_000, 65536)));
        assert_eq!(subordinate(text, 4_294_967_291), None);
    }
}
