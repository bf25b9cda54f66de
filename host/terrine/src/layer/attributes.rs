//! Extended attributes of files of this machine: those that belong into an image, and those that do not.

use std::os::fd::AsFd;

use rustix::fs::{fgetxattr, flistxattr};
use rustix::io::Errno;

use super::CAPABILITIES;

/// Names and values.
pub(crate) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// The most bytes that Linux has for all names of a file, and for one value.
const MAX_SIZE: usize = 1 << 16;
/// Version 3 of capabilities, which has the root user of a name space at its end, and version 2.
const NAMESPACED: u32 = 0x0300_0000;
const VERSION: u32 = 0x0200_0000;
const VERSION_MASK: u32 = 0xff00_0000;
/// The size of version 2.
const CAPABILITIES_SIZE: usize = 20;

/// Attributes that a system gives to all files by itself, and that mean nothing on another.
const OF_THE_SYSTEM: [&[u8]; 10] = [
    b"security.selinux",
    b"security.SMACK64",
    b"security.apparmor",
    b"security.ima",
    b"security.evm",
    b"system.nfs4_",
    b"system.cifs",
    b"trusted.overlay.",
    b"btrfs.",
    b"com.apple.",
];
/// Attributes of users by which file systems and container tools keep notes of their own.
const OF_TOOLS: [&[u8]; 2] = [b"user.overlay.", b"user.containers."];

/// The attributes of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Those that belong into an image, by their names.
    pub(super) carried: Attributes,
    /// The names of those that do not.
    pub(super) left: Vec<String>,
}

/// The fate of an attribute.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Carried,
    Left,
    Ignored,
}

/// Reads the attributes of an open file. Where there are none on a file system, a file has none.
pub(super) fn read(file: impl AsFd) -> Result<Found, Errno> {
    let mut buffer = vec![0_u8; MAX_SIZE];
    let length = match flistxattr(&file, &mut buffer[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::NOSYS) => 0,
        Err(errno) => return Err(errno),
    };
    buffer.truncate(length);
    let mut found = Found::default();
    for name in buffer
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        match fate(name) {
            Fate::Ignored => {}
            Fate::Left => found.left.push(String::from_utf8_lossy(name).into_owned()),
            Fate::Carried => {
                let mut value = vec![0_u8; MAX_SIZE];
                let length = match fgetxattr(&file, name, &mut value[..]) {
                    Ok(length) => length,
                    // It is gone.
                    Err(Errno::NODATA) => continue,
                    Err(errno) => return Err(errno),
                };
                value.truncate(length);
                if name == CAPABILITIES {
                    value = without_namespace(value);
                }
                found.carried.push((name.to_vec(), value));
            }
        }
    }
    found.carried.sort_unstable();
    found.left.sort_unstable();
    Ok(found)
}

/// An equals sign would end a name in an archive.
fn fate(name: &[u8]) -> Fate {
    let is_one_of = |starts: &[&[u8]]| starts.iter().any(|start| name.starts_with(start));
    if is_one_of(&OF_THE_SYSTEM) {
        Fate::Ignored
    } else if is_one_of(&OF_TOOLS) || name.contains(&b'=') {
        Fate::Left
    } else if name == CAPABILITIES || name.starts_with(b"user.") {
        Fate::Carried
    } else {
        Fate::Left
    }
}

/// Capabilities that hold for the root user of a name space hold for that of a container.
fn without_namespace(value: Vec<u8>) -> Vec<u8> {
    let magic = value.first_chunk().map(|magic| u32::from_le_bytes(*magic));
    let (Some(magic), Some(sets)) = (magic, value.get(4..CAPABILITIES_SIZE)) else {
        return value;
    };
    if magic & VERSION_MASK != NAMESPACED {
        return value;
    }
    let magic = (magic & !VERSION_MASK) | VERSION;
    [&magic.to_le_bytes()[..], sets].concat()
}

/// Returns the attributes of an entry with those that a rule gives it, which count where both have one.
pub(crate) fn with_rule<'a>(
    own: &'a [(Vec<u8>, Vec<u8>)],
    rule: &'a [(Vec<u8>, Vec<u8>)],
    both: &'a mut Attributes,
) -> &'a [(Vec<u8>, Vec<u8>)] {
    if rule.is_empty() {
        return own;
    }
    if own.is_empty() {
        return rule;
    }
    let kept = own
        .iter()
        .filter(|(name, _)| rule.iter().all(|(ruled, _)| ruled != name));
    *both = kept.chain(rule).cloned().collect();
    both.sort_unstable();
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_and_attributes_of_users_are_carried() {
        for (name, expected) in [
            ("security.capability", Fate::Carried),
            ("user.comment", Fate::Carried),
            ("user.a=b", Fate::Left),
            ("user.overlay.opaque", Fate::Left),
            ("system.posix_acl_access", Fate::Left),
            ("system.posix_acl_default", Fate::Left),
            ("trusted.x", Fate::Left),
            ("security.selinux", Fate::Ignored),
            ("trusted.overlay.opaque", Fate::Ignored),
        ] {
            assert_eq!(fate(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn capabilities_of_a_name_space_are_those_of_an_image() {
        let sets = [0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let plain = [&[1, 0, 0, 2][..], &sets].concat();
        let spaced = [&[1, 0, 0, 3][..], &sets, &[0x40, 0x42, 0x0f, 0]].concat();
        assert_eq!(without_namespace(spaced), plain);
        assert_eq!(without_namespace(plain.clone()), plain);
        assert_eq!(without_namespace(vec![1, 0, 0, 3]), [1, 0, 0, 3]);
    }

    #[test]
    fn what_a_rule_says_counts() {
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let (own, rule) = ([pair("user.a", "1"), pair("b", "1")], [pair("b", "2")]);
        let mut both = vec![];
        assert_eq!(with_rule(&own, &[], &mut both), own);
        assert_eq!(with_rule(&[], &rule, &mut both), rule);
        let expected = [pair("b", "2"), pair("user.a", "1")];
        assert_eq!(with_rule(&own, &rule, &mut both), expected);
    }
}
