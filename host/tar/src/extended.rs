//! Extended headers: those of PAX, and GNU tar's long names.

use tar::EntryType;

use super::number;

/// The statements of extended headers about the member after them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Extended {
    /// The member's name.
    pub(crate) name: Option<Vec<u8>>,
    /// The target of a link.
    pub(crate) link: Option<Vec<u8>>,
    /// The number of bytes after the member's header.
    pub(crate) size: Option<u64>,
    /// Time of last modification, in seconds since 1970, rounded down.
    pub(crate) mtime: Option<i64>,
    /// The nanoseconds after these.
    pub(crate) nanos: u32,
    /// Numeric owner.
    pub(crate) uid: Option<u64>,
    /// Numeric group.
    pub(crate) gid: Option<u64>,
    /// The first of these numbers that is none, and what stands in its place.
    pub(crate) bad: Option<(&'static str, Vec<u8>)>,
    /// Extended attributes: names without the archiver's prefix, and values.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The name of a file that is stored sparsely; `name` is then one of the archiver's own.
    pub(crate) sparse_name: Option<Vec<u8>>,
    /// The size of such a file.
    pub(crate) sparse_size: Option<u64>,
    /// The place of the map of the stored parts in the content.
    pub(crate) sparse_map: SparseMap,
}

/// The place of the map of a sparse file, which PAX headers have in three versions (GNU tar's
/// manual, "Storing Sparse Files").
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum SparseMap {
    /// Nowhere: the file is stored whole, or its own header has the map.
    #[default]
    None,
    /// In the headers: offsets and lengths, one after the other.
    Given(Vec<u64>),
    /// At the start of the content.
    Content,
}

/// The nanoseconds of a second.
pub(crate) const NANOS: u32 = 1_000_000_000;
/// Before the names of extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Reports whether a header describes the member after it, or all members.
pub(crate) fn is_extension(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

/// An extended header that is none.
#[derive(Debug)]
pub(crate) struct Malformed;

impl Extended {
    /// Takes over what an extended header of some kind holds. What it says of all members
    /// is not taken: no tool writes names there.
    pub(crate) fn add(&mut self, kind: EntryType, content: &[u8]) -> Result<(), Malformed> {
        let until_nul = || content.split(|&byte| byte == 0).next().map(<[u8]>::to_vec);
        match kind {
            EntryType::GNULongName => self.name = until_nul(),
            EntryType::GNULongLink => self.link = until_nul(),
            EntryType::XHeader => self.records(content)?,
            _ => {}
        }
        Ok(())
    }

    /// Reads records by their lengths: values can have line ends in them.
    fn records(&mut self, mut content: &[u8]) -> Result<(), Malformed> {
        // Of several headers the last one counts, or what they say together had no limit.
        (self.xattrs, self.sparse_map) = (vec![], SparseMap::None);
        // Some archivers fill up with zeros.
        while content.first().is_some_and(|&byte| byte != 0) {
            let (key, value, rest) = record(content).ok_or(Malformed)?;
            let text = || (!value.is_empty()).then(|| value.to_vec());
            match key {
                b"path" => self.name = text(),
                b"linkpath" => self.link = text(),
                b"mtime" => {
                    let time = self.told("mtime", value, exact_time);
                    (self.mtime, self.nanos) = time.map_or((None, 0), |(s, n)| (Some(s), n));
                }
                b"uid" => self.uid = self.told("uid", value, id),
                b"gid" => self.gid = self.told("gid", value, id),
                b"size" => self.size = number(value)?,
                b"GNU.sparse.name" => self.sparse_name = text(),
                b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse_size = number(value)?,
                b"GNU.sparse.major" if value == b"1" => self.sparse_map = SparseMap::Content,
                b"GNU.sparse.map" => {
                    let numbers = value
                        .split(|&byte| byte == b',')
                        .filter(|text| !text.is_empty());
                    self.map(numbers)?;
                }
                b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.map([value])?,
                _ => {
                    if let Some(name) = key.strip_prefix(XATTR) {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
            content = rest;
        }
        Ok(())
    }

    /// Reads what a record says; none where it takes back what was said before. What it does not say is kept as bad.
    fn told<T>(
        &mut self,
        field: &'static str,
        value: &[u8],
        read: fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let told = read(value);
        if told.is_none() && !value.is_empty() {
            self.bad.get_or_insert((field, value.to_vec()));
        }
        told
    }

    /// Adds numbers to the map of a sparse file.
    fn map<'a>(&mut self, numbers: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Malformed> {
        let mut map = match std::mem::take(&mut self.sparse_map) {
            SparseMap::Given(map) => map,
            SparseMap::None => vec![],
            SparseMap::Content => return Err(Malformed),
        };
        for text in numbers {
            map.push(number(text)?.ok_or(Malformed)?);
        }
        self.sparse_map = SparseMap::Given(map);
        Ok(())
    }
}

/// The key and the value of the first record, and what follows it. A record is
/// `LENGTH KEY=VALUE` and a line end, its length that of all this.
fn record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = content.iter().position(|&byte| byte == b' ')?;
    let length = usize::try_from(number(&content[..blank]).ok()??).ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let pair = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], rest))
}

/// Reads the number of a user or a group.
fn id(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(value).ok()?.parse().ok()?;
    number::id(number)
}

/// Reads a time as seconds and nanoseconds after them; none where it is no time. A fraction of a time before 1970
/// counts backwards, too, and what is finer than nanoseconds is rounded down.
fn exact_time(value: &[u8]) -> Option<(i64, u32)> {
    let (digits, negative) = match value.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (value, false),
    };
    let dot = digits.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match dot {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &b""[..]),
    };
    if whole.is_empty()
        || ![whole, fraction]
            .iter()
            .all(|part| part.iter().all(u8::is_ascii_digit))
    {
        return None;
    }
    let whole: i128 = std::str::from_utf8(whole).ok()?.parse().ok()?;
    let (shown, finer) = fraction.split_at(fraction.len().min(9));
    let nanos = shown
        .iter()
        .fold(0, |nanos, digit| nanos * 10 + i128::from(digit - b'0'));
    let nanos = nanos * 10_i128.pow(9 - u32::try_from(shown.len()).ok()?);
    let nanos = whole.checked_mul(NANOS.into())?.checked_add(nanos)?;
    let total = if negative {
        -nanos - i128::from(finer.iter().any(|&digit| digit != b'0'))
    } else {
        nanos
    };
    let seconds = i64::try_from(total.div_euclid(NANOS.into())).ok()?;
    let nanos = u32::try_from(total.rem_euclid(NANOS.into())).ok()?;
    Some((seconds, nanos))
}

/// A number; none for an empty value, which takes back what was said before.
fn number(value: &[u8]) -> Result<Option<u64>, Malformed> {
    if value.is_empty() {
        return Ok(None);
    }
    // The standard library would take a sign, too.
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Option<Extended> {
        let mut extended = Extended::default();
        extended
            .add(EntryType::XHeader, content)
            .ok()
            .map(|()| extended)
    }

    #[test]
    fn records_end_where_their_length_says() {
        let extended = read(b"24 SCHILY.xattr.x=1\n2=3\n12 path=a\nb\n10 size=7\n\0\0\0").unwrap();
        assert_eq!(extended.name.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(extended.size, Some(7));
        for (text, seconds, nanos) in [
            (&b"16 mtime=-12.75\n"[..], -13, 250_000_000),
            (b"14 mtime=-0.5\n", -1, 500_000_000),
            (b"12 mtime=-3\n", -3, 0),
            (b"13 mtime=0.5\n", 0, 500_000_000),
            (b"12 mtime=5.\n", 5, 0),
            (b"22 mtime=-1.100000000\n", -2, 900_000_000),
            (b"26 mtime=-1.1000000000001\n", -2, 899_999_999),
            (b"23 mtime=-1.9999999999\n", -2, 0),
            (b"22 mtime=1.9999999999\n", 1, 999_999_999),
        ] {
            let extended = read(text).unwrap();
            assert_eq!((extended.mtime, extended.nanos), (Some(seconds), nanos));
        }
        for text in [
            &b"12 mtime=.5\n"[..],
            b"13 mtime=+12\n",
            b"14 mtime=1.5x\n",
            b"13 mtime=1e9\n",
            b"11 mtime=-\n",
            b"14 mtime=--12\n",
            b"38 mtime=9999999999999999999999999999\n",
        ] {
            let extended = read(text).unwrap();
            assert_eq!((extended.mtime, extended.nanos), (None, 0));
            assert_eq!(extended.bad.unwrap().0, "mtime");
        }
        assert_eq!(read(b"10 mtime=\n").unwrap(), Extended::default());
        for (text, expected) in [
            (&b"10 uid=-2\n"[..], Some(4_294_967_294)),
            (b"18 uid=4294967294\n", Some(4_294_967_294)),
            (b"18 uid=8589934592\n", None),
            (b"12 uid=0x10\n", None),
            (b"9 uid=+1\n", None),
        ] {
            let extended = read(text);
            let extended = extended.unwrap();
            assert_eq!(extended.uid, expected);
            assert_eq!(extended.bad.is_some(), expected.is_none());
        }
        let extended = read(b"22 mtime=1.2500000198\n10 uid=77\n").unwrap();
        assert_eq!(
            (extended.mtime, extended.nanos, extended.uid),
            (Some(1), 250_000_019, Some(77))
        );
        let extended = read(b"24 SCHILY.xattr.x=1\n2=3\n").unwrap();
        assert_eq!(extended.xattrs, [(b"x".to_vec(), b"1\n2=3".to_vec())]);
        let extended = read(b"15 path=before\n8 path=\n").unwrap();
        assert_eq!(extended, Extended::default());
    }

    #[test]
    fn records_that_are_none_are_refused() {
        for content in [
            &b"path=x\n"[..],
            b"8 path=x\n",
            b"11 path=x\n",
            b"10 path=xy",
            b"9 no key\n",
            b"2 \n",
            b"1 ",
            b"0 ",
            b"+10 path=x\n",
            b"99999999999999999999999 path=x\n",
            b"11 size=-1\n",
            b"31 size=99999999999999999999999\n",
        ] {
            assert_eq!(read(content), None, "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn long_names_end_at_a_nul() {
        let mut extended = Extended::default();
        extended
            .add(EntryType::GNULongName, b"name\0rest")
            .ok()
            .unwrap();
        extended.add(EntryType::GNULongLink, b"link").ok().unwrap();
        assert_eq!(extended.name.as_deref(), Some(&b"name"[..]));
        assert_eq!(extended.link.as_deref(), Some(&b"link"[..]));
    }
}
