//! Compressed bytes: decoders on any bytes, and what is compressed is unpacked again.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Duration;

use terrine_compress::{Compression, Encoder, Foreign, Pool, Setting};

use crate::format::Format;
use crate::{Limit, Target};

/// The most that is unpacked, in bytes: some bytes stand for gigabytes.
const UNPACKED: u64 = 1 << 20;
/// The first byte of an input whose rest is compressed and unpacked again.
const PLAIN: u8 = b'p';
/// The first bytes of inputs whose rest is in a format that is known by its name.
const FOREIGN: [(u8, Foreign); 4] = [
    (b'b', Foreign::Brotli),
    (b'4', Foreign::Lz4),
    (b'l', Foreign::Lzip),
    (b'a', Foreign::Lzma),
];

/// A decoder of any format.
#[derive(Debug, Clone, Copy)]
enum Decoder {
    Known(Compression),
    Foreign(Foreign),
}

pub(super) const TARGET: Target = Target {
    name: "compressed",
    format: Format::Bytes,
    seeds,
    run,
    short: 3_000,
    longest: 16 << 10,
    // The window of xz is up to 256 MiB.
    limit: Limit {
        memory: 300 << 20,
        memory_per_byte: 64,
        time: Duration::from_secs(1),
    },
};

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(NonZeroUsize::MIN));

fn compress(plain: &[u8], setting: &Setting) -> Vec<u8> {
    let mut encoder = Encoder::new(setting, &POOL, vec![]).expect("an encoder");
    encoder.write_all(plain).expect("bytes in memory");
    encoder.finish().expect("an end in memory")
}

fn seeds() -> Vec<Vec<u8>> {
    let plain = b"some bytes that come again, some bytes that come again".repeat(20);
    let mut seeds = vec![[&[PLAIN], &plain[..]].concat(), vec![PLAIN]];
    for setting in [Setting::GZIP, Setting::ZSTD] {
        let whole = compress(&plain, &setting);
        seeds.push([whole.clone(), whole.clone()].concat());
        seeds.push([&whole[..], &[0; 512]].concat());
        seeds.push(whole);
    }
    // Of `hello`, as bzip2 and xz write them: nothing here does.
    seeds.push(
        b"BZh91AY&SY\x19\x31\x65\x3d\x00\x00\x00\x81\x00\x02\x44\xa0\x00\x21\x9a\x68\x33\x4d\x07\x33\x8b\xb9\x22\x9c\x28\x48\x0c\x98\xb2\x9e\x80"
            .to_vec(),
    );
    seeds.push(xz());
    seeds.extend(foreign());
    // A skippable frame of zstd.
    seeds.push(b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec());
    seeds
}

/// `hello` in one block of xz that is stored (The .xz File Format 1.1).
fn xz() -> Vec<u8> {
    let mut file = b"\xfd7zXZ\0\0\0\xff\x12\xd9\x41".to_vec();
    file.extend(b"\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5\xa3\x01\0\x04hello\0\0\0\0");
    file.extend(b"\0\x01\x15\x05\x71\x09\x5c\xb3\x06\x72\x9e\x7a\x01\0\0\0\0\0YZ");
    file
}

/// Texts as brotli, lz4, lzip and xz write them: `hello`, and 300 zeros with what comes again.
const BY_PROGRAMS: [(u8, &str); 8] = [
    (b'b', "2110000468656c6c6f03"),
    (b'b', "a1f009c03f700366ac4ba522da2c560720709965e3"),
    (b'4', "04224d186440a70500008068656c6c6f00000000f97700fb"),
    (
        b'4',
        "04224d186440a7120000001f000100ff1937616263030050636162636400000000340e0d18",
    ),
    (
        b'l',
        "4c5a4950010c00341949ee8e6821ffffffb9e0000086a6103605000000000000002900000000000000",
    ),
    (
        b'l',
        "4c5a4950010c00006ffdf7c29d9d313c7c4a28967ffffed69800361ad1ea3f010000000000002e00000000000000",
    ),
    (
        b'a',
        "5d00008000ffffffffffffffff00341949ee8e6821ffffffb9e00000",
    ),
    (
        b'a',
        "5d00008000ffffffffffffffff00006ffdf7c29d9d313c7c4a28967ffffed69800",
    ),
];

/// Inputs in formats that are known by their names.
fn foreign() -> impl Iterator<Item = Vec<u8>> {
    BY_PROGRAMS.iter().map(|(first, hex)| {
        let digits = hex.as_bytes().chunks(2);
        let byte = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).expect("digits");
            u8::from_str_radix(digits, 16).expect("a byte")
        };
        std::iter::once(*first).chain(digits.map(byte)).collect()
    })
}

fn run(data: &[u8]) -> bool {
    if let Some((&PLAIN, plain)) = data.split_first() {
        for setting in [Setting::GZIP, Setting::ZSTD] {
            let compressed = compress(plain, &setting);
            let kind = Compression::detect(&compressed);
            assert_eq!(kind, setting.compression());
            let decoder = Decoder::Known(kind);
            assert_eq!(unpack(decoder, &compressed[..]).0, plain, "{kind}");
        }
        return true;
    }
    let foreign = FOREIGN
        .iter()
        .find(|(first, _)| data.first() == Some(first));
    if let Some((_, kind)) = foreign {
        return is_unpacked(Decoder::Foreign(*kind), &data[1..]).is_some();
    }
    let kind = Compression::detect(data);
    let unpacked = is_unpacked(Decoder::Known(kind), data);
    if kind == Compression::None {
        assert_eq!(unpacked.as_deref(), Some(data));
    }
    kind != Compression::None && unpacked.is_some()
}

/// Returns what bytes stand for, which is the same however they come; none if they end badly.
fn is_unpacked(decoder: Decoder, data: &[u8]) -> Option<Vec<u8>> {
    let (whole, end) = unpack(decoder, data);
    let (slow, slow_end) = unpack(decoder, Slow(data));
    assert_eq!(
        end.is_ok(),
        slow_end.is_ok(),
        "{decoder:?}: {end:?} and {slow_end:?}"
    );
    end.ok()?;
    assert_eq!(whole, slow, "{decoder:?}");
    Some(whole)
}

/// Unpacks bytes up to a limit, and whether they end well.
fn unpack<'a>(decoder: Decoder, bytes: impl Read + Send + 'a) -> (Vec<u8>, io::Result<()>) {
    let mut plain = vec![];
    let decoder = match decoder {
        Decoder::Known(kind) => match kind.decoder(bytes) {
            Ok(decoder) => decoder,
            Err(error) => return (plain, Err(error)),
        },
        Decoder::Foreign(kind) => kind.unbounded_decoder(bytes),
    };
    let mut decoder = decoder.take(UNPACKED);
    let mut buffer = [0; 4096];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return (plain, Ok(())),
            Ok(count) => plain.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (plain, Err(error)),
        }
    }
}

/// A reader that gives a few bytes at once.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.0.len()).min(7);
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}
