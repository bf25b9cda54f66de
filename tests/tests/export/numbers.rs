//! Numbers in the headers of old and odd archivers, as GNU tar reads them.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use terrine_tests::{Run, peer, temporary, terrine};

use super::image_of;

/// The offset of a field in a header, and the number of its bytes.
type Place = (usize, usize);

const MODE: Place = (100, 8);
const UID: Place = (108, 8);
const GID: Place = (116, 8);
const SIZE: Place = (124, 12);
const MTIME: Place = (136, 12);
const CHECKSUM: Place = (148, 8);
const KIND: Place = (156, 1);
const MAGIC: Place = (257, 8);
const MAJOR: Place = (329, 8);
const MINOR: Place = (337, 8);

/// A field and what stands in it.
type Field = (Place, &'static [u8]);

/// Fields of headers that are not as POSIX writes them.
const HEADERS: &[&[Field]] = &[
    &[(MTIME, b"777777777777")],
    &[(MTIME, b"   123 \0")],
    &[(MTIME, b"123         ")],
    &[(MTIME, b"\x00123 \0")],
    &[(MTIME, b"123\x0045678")],
    &[(MTIME, b"\0\0\0\0\0\0\0\0\0\0\0\0")],
    &[(MTIME, b"-BA\0")],
    &[(MTIME, b"+BA\0")],
    &[(MTIME, b"\xff\xff\xff\xff\xff\xff\xff\xff\xc7\xf0\x14\xc4")],
    &[(MTIME, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")],
    &[(MTIME, b"\x80\0\0\0\0\0\0\x02\0\0\0\0")],
    &[(MTIME, b"\x80\0\0\0\0\0\x01\0\0\0\0\0")],
    &[(UID, b"   1750\0"), (GID, b"1750")],
    &[(UID, b"77777777"), (GID, b"7777777 ")],
    &[
        (UID, b"\x80\0\0\0\x80\0\0\0"),
        (GID, b"\x80\0\0\0\xff\xff\xff\xfe"),
    ],
    &[(UID, b"\0\0\0\0\0\0\0\0"), (GID, b"\0\0\0\0\0\0\0\0")],
    &[(MODE, b"0100644\0")],
    &[(MODE, b"   755 \0")],
    &[(MODE, b"4755")],
    &[(MODE, b"\x80\0\0\0\0\0\x01\xed")],
    &[(SIZE, b"          3 ")],
    &[(SIZE, b"3\0")],
    &[(SIZE, b"000000000003")],
    &[(SIZE, b"\x80\0\0\0\0\0\0\0\0\0\0\x03")],
    &[(KIND, b"3"), (MAJOR, b"0000010\0"), (MINOR, b"    377 ")],
    &[
        (KIND, b"3"),
        (MAJOR, b"0000010\0"),
        (MINOR, b"0000377\0"),
        (MAGIC, b"ustar\0\0\0"),
    ],
    &[
        (KIND, b"4"),
        (MAJOR, b"\x80\0\0\0\0\0\x01\x03"),
        (MINOR, b"\x80\0\0\0\0\x10\0\0"),
        (MAGIC, b"ustar  \0"),
    ],
    &[
        (KIND, b"3"),
        (MAJOR, b"0000010\0"),
        (MINOR, b"0000377\0"),
        (MAGIC, b"\0\0\0\0\0\0\0\0"),
    ],
    &[(KIND, b"\0"), (MAGIC, b"\0\0\0\0\0\0\0\0")],
];

/// Records of extended headers, each before a file of user 7 and of the time 7.
const RECORDS: &[(&str, &str)] = &[
    ("mtime", "1.5"),
    ("mtime", "-1.5"),
    ("mtime", "-0.25"),
    ("mtime", "0.000000001"),
    ("mtime", "-0.0000000001"),
    ("mtime", "123456789.123456789123"),
    ("mtime", "-99999999999"),
    ("mtime", ""),
    ("mtime", "5."),
    ("uid", "4294967294"),
    ("uid", ""),
];

/// Numbers in headers that are none, and the names of their fields.
const BAD_HEADERS: &[(Place, &[u8], &str)] = &[
    (UID, b"abc", "uid"),
    (GID, b"\x80\0\0\x02\0\0\0\0", "gid"),
    (MTIME, b"zzz", "mtime"),
    (MTIME, b"00000000089", "mtime"),
    (MODE, b"rwx", "mode"),
];

/// The same of records.
const BAD_RECORDS: &[(&str, &str)] = &[
    ("mtime", "99999999999999999999"),
    ("mtime", "x"),
    ("mtime", ".5"),
    ("mtime", "+5"),
    ("mtime", " 5"),
    ("uid", "x"),
    ("uid", "0x10"),
    ("uid", "1.5"),
    ("gid", "8589934592"),
];

/// The functions that compute and write the checksum of a header.
type Checksum = (fn(&[u8]) -> i64, fn(i64) -> String);

const UNSIGNED: fn(&[u8]) -> i64 = |block| block.iter().map(|&byte| i64::from(byte)).sum();
/// Some archivers took bytes for numbers with a sign.
const SIGNED: fn(&[u8]) -> i64 = |block| block.iter().map(|&byte| i64::from(byte as i8)).sum();
const POSIX: Checksum = (UNSIGNED, |sum| format!("{sum:06o}\0 "));

const CHECKSUMS: &[Checksum] = &[
    (SIGNED, |sum| format!("{sum:06o}\0 ")),
    (UNSIGNED, |sum| format!("{sum:6o}\0 ")),
    (UNSIGNED, |sum| format!("{sum:07o}\0")),
    (UNSIGNED, |sum| format!("{sum:06o} \0")),
    (UNSIGNED, |sum| format!("{sum:08o}")),
    (UNSIGNED, |sum| format!("\0{sum:06o}\0")),
];

/// Returns a header, with these fields in the place of its own.
fn header(name: &str, fields: &[(Place, &[u8])], (sum, shown): Checksum) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |(start, length): Place, bytes: &[u8]| {
        block[start..start + length].fill(0);
        block[start..start + bytes.len()].copy_from_slice(bytes);
    };
    put((0, 100), name.as_bytes());
    put(MODE, b"0000644\0");
    put(UID, b"0000007\0");
    put(GID, b"0000007\0");
    put(SIZE, b"00000000000\0");
    put(MTIME, b"00000000007\0");
    put(KIND, b"0");
    put(MAGIC, b"ustar\x0000");
    for (field, bytes) in fields {
        put(*field, bytes);
    }
    put(CHECKSUM, b"        ");
    let checksum = shown(sum(&block));
    block[CHECKSUM.0..][..checksum.len()].copy_from_slice(checksum.as_bytes());
    block
}

/// Returns an extended header with one record.
fn extended(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..).find(|length| length.to_string().len() + rest.len() == *length);
    let record = format!("{}{rest}", length.unwrap());
    let size = format!("{:011o}\0", record.len());
    let mut bytes = header("x", &[(KIND, b"x"), (SIZE, size.as_bytes())], POSIX);
    bytes.extend(record.as_bytes());
    bytes.resize(1024, 0);
    bytes
}

fn layer() -> Vec<u8> {
    let mut layer = vec![];
    for (number, fields) in HEADERS.iter().enumerate() {
        layer.extend(header(&format!("header-{number}"), fields, POSIX));
        if fields.iter().any(|(field, _)| *field == SIZE) {
            layer.extend(b"abc");
            layer.resize(layer.len().next_multiple_of(512), 0);
        }
    }
    for (number, (key, value)) in RECORDS.iter().enumerate() {
        layer.extend(extended(key, value));
        layer.extend(header(&format!("record-{number}"), &[], POSIX));
    }
    for (number, checksum) in CHECKSUMS.iter().enumerate() {
        layer.extend(header(&format!("é-{number}"), &[], *checksum));
    }
    layer.extend([0; 1024]);
    layer
}

/// Returns what GNU tar says of the members of an archive, sorted.
fn listed(tar: &Path, archive: &Path) -> Vec<String> {
    let options = ["--list", "-vv", "--full-time", "--numeric-owner", "--file"];
    let mut command = Command::new(tar);
    command.env("LC_ALL", "C").env("TZ", "UTC");
    let run = Run::of(command.args(options.map(OsStr::new)).arg(archive));
    let text = String::from_utf8(run.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn numbers_are_what_tar_reads_in_them() {
    let Some(tar) = peer::find("tar") else { return };
    let folder = temporary();
    let layer = layer();
    let [given, made] = ["layer.tar", "made.tar"].map(|name| folder.path().join(name));
    fs::write(&given, &layer).unwrap();
    let image = image_of(&[layer], folder.path());
    let mut command = terrine();
    command.arg("export").arg(image).arg("-o").arg(&made);
    Run::of(&mut command).ok();
    let count = HEADERS.len() + RECORDS.len() + CHECKSUMS.len();
    let [given, made] = [given, made].map(|archive| listed(&tar, &archive));
    assert_eq!(made.len(), count);
    assert_eq!(made, given);
}

#[test]
fn a_number_that_tar_cannot_read_is_not_taken_for_another() {
    let Some(tar) = peer::find("tar") else { return };
    let headers = BAD_HEADERS
        .iter()
        .map(|(place, bytes, field)| (header("f", &[(*place, *bytes)], POSIX), *field));
    let records = BAD_RECORDS.iter().map(|(key, value)| {
        let own = header("f", &[], POSIX);
        ([extended(key, value), own].concat(), *key)
    });
    for (mut layer, field) in headers.chain(records) {
        layer.extend([0; 1024]);
        let folder = temporary();
        let given = folder.path().join("layer.tar");
        fs::write(&given, &layer).unwrap();
        let mut command = Command::new(&tar);
        let listed = Run::of(command.arg("--list").arg("-vf").arg(&given));
        assert_eq!(listed.code, Some(2), "{field}: {}", listed.stderr);
        let image = image_of(&[layer], folder.path());
        let made = folder.path().join("made.tar");
        let export: [&OsStr; 4] = [
            "export".as_ref(),
            image.as_ref(),
            "-o".as_ref(),
            made.as_ref(),
        ];
        let verify: [&OsStr; 2] = ["verify".as_ref(), image.as_ref()];
        for arguments in [&export[..], &verify] {
            let run = Run::of(terrine().args(arguments));
            assert_eq!(run.code, Some(1), "{field}: {}", run.stderr);
            let what = format!("its member `f` has the {field} `");
            assert!(run.stderr.contains(&what), "{}", run.stderr);
        }
    }
}

#[test]
fn a_negative_owner_is_the_one_that_it_is_to_the_system() {
    let Some(tar) = peer::find("tar") else { return };
    let folder = temporary();
    let minus_two = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];
    let mut layer = header("a", &[(UID, &minus_two), (GID, &minus_two)], POSIX);
    layer.extend(extended("uid", "-2"));
    layer.extend(header("b", &[(GID, &minus_two)], POSIX));
    layer.extend([0; 1024]);
    let image = image_of(&[layer], folder.path());
    let made = folder.path().join("made.tar");
    let mut command = terrine();
    Run::of(command.arg("export").arg(image).arg("-o").arg(&made)).ok();
    let owners = listed(&tar, &made);
    let is_owner = |line: &String| line.contains(" 4294967294/4294967294 ");
    assert!(
        owners.len() == 2 && owners.iter().all(is_owner),
        "{owners:?}"
    );
}
