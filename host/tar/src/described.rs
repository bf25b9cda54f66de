//! Descriptions of members, by what their headers say.

use tar::{EntryType, Header};

use super::extended::Extended;
use super::{Fault, dialect, number};

/// A member by what its headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name, as written.
    pub name: Vec<u8>,
    /// The kind of member.
    pub kind: EntryType,
    /// The size of a file in bytes, holes included.
    pub size: u64,
    /// The target of a link, as written.
    pub link: Vec<u8>,
    /// Time of last modification, in seconds since 1970, rounded down.
    pub mtime: i64,
    /// The nanoseconds after these.
    pub nanos: u32,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes: names and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Described {
    /// A directory that nothing is said of.
    pub fn directory() -> Self {
        Self {
            name: vec![],
            kind: EntryType::Directory,
            size: 0,
            link: vec![],
            mtime: 0,
            nanos: 0,
            mode: 0o755,
            uid: 0,
            gid: 0,
            device: (0, 0),
            xattrs: vec![],
        }
    }
}

/// Describes a member by its own header and those before it; `size` is that of a file.
pub(super) fn describe(header: &Header, extended: Extended, size: u64) -> Result<Described, Fault> {
    let name = extended
        .sparse_name
        .or(extended.name)
        .unwrap_or_else(|| dialect::name(header));
    let link = extended
        .link
        .or_else(|| header.link_name_bytes().map(Into::into));
    let fields = header.as_old();
    let mut kind = header.entry_type();
    // Before there was a kind for directories, they were told by their names.
    if header.as_bytes()[156] == 0 && name.ends_with(b"/") {
        kind = EntryType::Directory;
    }
    let bad = |field: &'static str, value: &[u8]| bad_number(&name, field, value);
    if let Some((field, value)) = &extended.bad {
        return Err(bad(field, value));
    }
    let number =
        |field: &'static str, bytes: &[u8]| number::field(bytes).ok_or_else(|| bad(field, bytes));
    let id = |field: &'static str, told: Option<u64>, bytes: &[u8]| match told {
        Some(id) => Ok(id),
        None => number::id(number(field, bytes)?).ok_or_else(|| bad(field, bytes)),
    };
    let is_device = matches!(kind, EntryType::Char | EntryType::Block);
    let device = dialect::device(header).map_err(|bytes| bad("device number", bytes));
    let mtime = extended.mtime;
    Ok(Described {
        kind,
        size: extended.sparse_size.unwrap_or(size),
        link: link.unwrap_or_default(),
        mtime: mtime.map_or_else(|| number("mtime", &fields.mtime), Ok)?,
        nanos: extended.nanos,
        mode: number("mode", &fields.mode)? as u32 & 0o7777,
        uid: id("uid", extended.uid, &fields.uid)?,
        gid: id("gid", extended.gid, &fields.gid)?,
        device: if is_device { device? } else { (0, 0) },
        xattrs: extended.xattrs,
        name,
    })
}

/// A number that is none: what stands there is shown as text or as bytes.
fn bad_number(member: &[u8], field: &'static str, value: &[u8]) -> Fault {
    let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
    let value = match value.first() {
        Some(first) if first & 0x80 != 0 => value,
        _ => text,
    };
    Fault::BadNumber {
        member: String::from_utf8_lossy(member).into_owned(),
        field,
        value: value.escape_ascii().to_string(),
    }
}
