//! The encoder with the decoders, and with writers of all kinds.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use terrine_oci::Digest;

use super::codec::{GZIP_BLOCK, block_size};
use super::frame::JOB;
use super::{Compression, Encoder, Pool, Setting};

mod frames;

const SETTINGS: [&str; 7] = [
    "none", "gzip:1", "gzip", "gzip:7", "zstd", "zstd:6", "zstd:9",
];

fn setting(text: &str) -> Setting {
    text.parse().unwrap()
}

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).unwrap())
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Something like what is in layers, the first so many bytes of it: words that come
/// again, noise, zeros, and copies of what was before.
fn sample(length: usize) -> &'static [u8] {
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    &SAMPLE.get_or_init(|| make_sample(12 * GZIP_BLOCK))[..length]
}

fn make_sample(length: usize) -> Vec<u8> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + (64 << 10));
    while bytes.len() < length {
        let count = 1 + numbers.below(2000);
        match numbers.below(8) {
            0 => bytes.extend((0..count).map(|_| numbers.next() as u8)),
            1 => bytes.extend(std::iter::repeat_n(0, count)),
            2 if !bytes.is_empty() => {
                let from = numbers.below(bytes.len());
                let to = (from + 8 * count).min(bytes.len());
                bytes.extend_from_within(from..to);
            }
            _ => {
                for _ in 0..count / 8 {
                    let word = numbers.below(500) * numbers.below(500);
                    bytes.extend_from_slice(format!("word{word:x} ").as_bytes());
                }
            }
        }
    }
    bytes
}

fn compress(setting: &Setting, pool: &Pool, input: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(setting, pool, Vec::new()).unwrap();
    encoder.write_all(input).unwrap();
    encoder.finish().unwrap()
}

fn decompress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    compression
        .decoder(bytes)
        .unwrap()
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

/// Counts the gzip members or zstd frames.
fn count_streams(compression: Compression, mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        count += 1;
        match compression {
            Compression::Gzip => {
                let mut member = flate2::bufread::GzDecoder::new(bytes);
                io::copy(&mut member, &mut io::sink()).unwrap();
                bytes = member.into_inner();
            }
            _ => {
                let length = zstd::zstd_safe::find_frame_compressed_size(bytes).unwrap();
                bytes = &bytes[length..];
            }
        }
    }
    count
}

#[test]
fn what_goes_in_comes_out_of_the_decoders_whatever_its_length() {
    let (pool, whole) = (pool(2), sample(2 * JOB.max(GZIP_BLOCK) + 17));
    for text in SETTINGS {
        let setting = setting(text);
        let compression = setting.compression();
        let size = block_size(compression).unwrap_or(JOB);
        for length in [0, 1, size - 1, size, size + 1, 2 * size, whole.len()] {
            let compressed = compress(&setting, &pool, &whole[..length]);
            assert!(
                decompress(compression, &compressed) == whole[..length],
                "{text}, {length}"
            );
            if compression == Compression::None {
                continue;
            }
            assert_eq!(Compression::detect(&compressed), compression);
            let streams = match compression {
                Compression::Zstd => 1,
                _ => length.div_ceil(size).max(1),
            };
            assert_eq!(
                count_streams(compression, &compressed),
                streams,
                "{text}, {length}"
            );
            assert!(
                length < size || compressed.len() < length * 3 / 4,
                "{text}, {length}"
            );
        }
    }
}

#[test]
fn the_bytes_depend_neither_on_threads_nor_on_writes() {
    let input = sample(5 * GZIP_BLOCK + 1000);
    let mut numbers = Numbers(42);
    for text in SETTINGS {
        let setting = setting(text);
        let expected = compress(&setting, &pool(1), input);
        for threads in [1, 2, 7] {
            let pool = pool(threads);
            for longest in [100_000, 10_000_000] {
                let mut encoder = Encoder::new(&setting, &pool, Vec::new()).unwrap();
                let mut rest = input;
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(numbers.below(longest).min(rest.len()));
                    encoder.write_all(now).unwrap();
                    if numbers.below(20) == 0 {
                        encoder.flush().unwrap();
                    }
                    rest = later;
                }
                assert!(
                    encoder.finish().unwrap() == expected,
                    "{text}, {threads} threads"
                );
            }
        }
    }
}

#[test]
fn a_thread_that_did_other_things_makes_the_same_bytes() {
    let (input, other) = (
        sample(5 * GZIP_BLOCK + 1),
        &sample(12 * GZIP_BLOCK)[JOB + 777..],
    );
    let worn = pool(1);
    for text in ["gzip:6", "zstd:1", "zstd:3", "zstd:6", "zstd:9", "gzip:1"] {
        let setting = setting(text);
        let fresh = compress(&setting, &pool(1), input);
        for _ in 0..2 {
            compress(&setting, &worn, other);
            assert!(compress(&setting, &worn, input) == fresh, "{text}");
        }
    }
}

/// A change of these digests means that all layers that are compressed again get other
/// digests, so that they are pushed and pulled again: say so in CHANGELOG.md.
#[test]
fn the_bytes_are_those_of_this_version() {
    let (input, pool) = (sample(4 * GZIP_BLOCK + 100_000), pool(2));
    let pinned = [
        (
            "none",
            "sha256:61cca8ce0fa2ea04d24c8d926b531541b82af20612c72587190cd6335e28751b",
        ),
        (
            "gzip:1",
            "sha256:8daebfa33f871ed2d975d90e31bd579fe6d9db606098c0bd879b067af1ac23ce",
        ),
        (
            "gzip:4",
            "sha256:84c5ddbfaee7a9df70891211785b65a655e797500b15451edb638be296448b7c",
        ),
        (
            "gzip:6",
            "sha256:2c7bdd75c4bc4a14b3eee497017ef9aa759ec2fdf819519b11af1e72f5d57e05",
        ),
        (
            "gzip:9",
            "sha256:91074082712e6683e3cc392553a64351401ed5a96581f00cac0489ad7175b6e8",
        ),
        (
            "gzip:12",
            "sha256:c3c82fd32cc156c0ccfb4f5dbf44e108943f5093dc002252cfbcb91bbdbd60ab",
        ),
        (
            "zstd:1",
            "sha256:134efdf013d5d451ec8e5315dacef09a831bc705093311da9a851cfa0bb38305",
        ),
        (
            "zstd:3",
            "sha256:e329d4d9d96a902bda52837053c1a70cc180d463ca1cd8c57b0a32cb98bdc421",
        ),
        (
            "zstd:9",
            "sha256:ed7830aeac1e2dc9aac8c042e3d415d625038c8ee6a213e370386f494ab3121a",
        ),
        (
            "zstd:16",
            "sha256:f2cf8eb20cc4cd24f7d254b13ff0b2cd80ae45edd9f3f6448d904671f1682e42",
        ),
    ];
    let made = pinned.map(|(text, _)| {
        (
            text,
            Digest::of(&compress(&setting(text), &pool, input)).to_string(),
        )
    });
    assert_eq!(made, pinned.map(|(text, digest)| (text, digest.to_owned())));
}

#[test]
fn several_encoders_share_a_pool() {
    let input = sample(5 * GZIP_BLOCK);
    for threads in [1, 3] {
        let pool = pool(threads);
        thread::scope(|scope| {
            for text in SETTINGS.into_iter().cycle().take(18) {
                let pool = &pool;
                scope.spawn(move || {
                    let setting = setting(text);
                    let compressed = compress(&setting, pool, input);
                    assert!(
                        decompress(setting.compression(), &compressed) == input,
                        "{text}"
                    );
                });
            }
        });
    }
}

#[test]
fn many_encoders_on_one_thread_do_not_wait_for_each_other() {
    let (pool, input) = (pool(1), sample(3 * GZIP_BLOCK));
    let mut encoders: Vec<_> = (0..12)
        .map(|_| Encoder::new(&Setting::GZIP, &pool, Vec::new()).unwrap())
        .collect();
    // All of them have a block that is begun, at all times.
    for part in input.chunks(GZIP_BLOCK / 3) {
        for encoder in &mut encoders {
            encoder.write_all(part).unwrap();
        }
    }
    for encoder in encoders {
        assert!(decompress(Compression::Gzip, &encoder.finish().unwrap()) == input);
    }
}

/// A writer that takes nothing before it is told to.
struct Stuck(Receiver<()>, Vec<u8>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The sender is gone by then.
        let _ = self.0.recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn others_go_on_while_a_writer_is_stuck() {
    let (pool, input) = (pool(1), sample(12 * GZIP_BLOCK));
    for setting in [Setting::GZIP, Setting::ZSTD] {
        thread::scope(|scope| {
            let (go, gone) = channel();
            let (pool, setting) = (&pool, &setting);
            let stuck = scope.spawn(move || {
                let mut encoder = Encoder::new(setting, pool, Stuck(gone, Vec::new())).unwrap();
                encoder.write_all(input).unwrap();
                encoder.finish().unwrap().1
            });
            let free = compress(setting, pool, input);
            drop(go);
            assert!(stuck.join().unwrap() == free);
        });
    }
}

/// A writer that takes so many bytes and then fails, or panics.
struct Full {
    room: usize,
    panics: bool,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        self.room -= count;
        assert!(count > 0 || !self.panics, "a writer that panics");
        if count == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(count)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_writer_is_heard_of_and_nothing_is_complete_after_it() {
    let input = sample(9 * GZIP_BLOCK);
    for (threads, setting) in [1, 4]
        .into_iter()
        .flat_map(|threads| [(threads, Setting::GZIP), (threads, Setting::ZSTD)])
    {
        let pool = pool(threads);
        for room in [0, 1000, 1_000_000] {
            let out = Full {
                room,
                panics: false,
            };
            let mut encoder = Encoder::new(&setting, &pool, out).unwrap();
            match encoder.write_all(input) {
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                    assert!(encoder.write(b"more").is_err());
                    assert!(encoder.flush().is_err());
                    assert!(encoder.finish().is_err());
                }
                Ok(()) => {
                    let error = encoder.finish().err().unwrap();
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                }
            }
        }
        // The pool has all that it had.
        let compressed = compress(&setting, &pool, input);
        assert!(decompress(setting.compression(), &compressed) == input);
    }
}

#[test]
fn a_panicking_writer_leaves_the_pool_whole() {
    let (pool, input) = (pool(2), sample(9 * GZIP_BLOCK));
    for setting in [Setting::GZIP, Setting::ZSTD] {
        let out = Full {
            room: 1000,
            panics: true,
        };
        let mut encoder = Encoder::new(&setting, &pool, out).unwrap();
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            encoder.write_all(input).unwrap();
            encoder.flush().unwrap();
            encoder.write_all(input).unwrap();
            encoder.write_all(input).unwrap();
        }));
        assert!(attempt.is_err());
        assert!(encoder.finish().is_err());
        let compressed = compress(&setting, &pool, input);
        assert!(decompress(setting.compression(), &compressed) == input);
    }
}

#[test]
fn a_panic_of_a_compressing_thread_is_passed_on() {
    let pool = pool(1);
    let mut encoder = Encoder::new(&Setting::PANICKING, &pool, Vec::new()).unwrap();
    let attempt = catch_unwind(AssertUnwindSafe(move || {
        encoder.write_all(&[0; 100_000]).unwrap();
        encoder.finish().unwrap();
    }));
    let panic = attempt.err().unwrap();
    assert_eq!(panic.downcast_ref(), Some(&"a codec that panics"));
    // The thread goes on.
    assert_eq!(
        decompress(Compression::Gzip, &compress(&Setting::GZIP, &pool, b"x")),
        b"x"
    );
}

#[test]
fn an_encoder_that_is_dropped_leaves_nothing_behind() {
    let (pool, input) = (pool(1), sample(3 * GZIP_BLOCK));
    for _ in 0..10 {
        let mut encoder = Encoder::new(&Setting::GZIP, &pool, Vec::new()).unwrap();
        encoder.write_all(&input[..5 * GZIP_BLOCK / 2]).unwrap();
    }
    // What is at work takes its block back itself; the rest is there at once.
    let compressed = compress(&Setting::GZIP, &pool, input);
    assert!(decompress(Compression::Gzip, &compressed) == input);
    let shared = Arc::clone(&pool.join().unwrap().0);
    drop(pool);
    assert_eq!(shared.at_rest(), (0, 3));
}
