//! Frames of zstd: their sizes, ends, threads and turns.

use std::time::Duration;

use super::super::frame::WINDOW;
use super::*;

/// A writer that takes its time, so that threads have nothing left to do.
#[derive(Default)]
struct Slow(Vec<u8>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(1));
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_end_of_a_frame_depends_on_its_length_alone() {
    let pool = pool(1);
    for text in ["zstd", "zstd:9"] {
        let setting = setting(text);
        for length in [4 << 20, 6 << 20, (6 << 20) + 1] {
            let input = sample(length);
            let fast = compress(&setting, &pool, input);
            for pieces in [length, 100_000, JOB] {
                let mut encoder = Encoder::new(&setting, &pool, Slow::default()).unwrap();
                for piece in input.chunks(pieces) {
                    encoder.write_all(piece).unwrap();
                    thread::sleep(Duration::from_millis(2));
                }
                thread::sleep(Duration::from_millis(20));
                let slow = encoder.finish().unwrap().0;
                assert!(
                    slow == fast,
                    "{text} {length} in pieces of {pieces}: {} {}",
                    slow.len(),
                    fast.len()
                );
            }
        }
    }
}

#[test]
fn small_frames_of_zstd_say_how_large_they_are() {
    for (length, told) in [(5, Some(5)), (JOB, Some(JOB as u64)), (JOB + 1, None)] {
        let compressed = compress(&Setting::ZSTD, &pool(1), sample(length));
        let size = zstd::zstd_safe::get_frame_content_size(&compressed).unwrap();
        assert_eq!(size, told);
    }
}

#[test]
fn frames_of_many_windows_do_not_depend_on_threads() {
    // Noise that comes again from 20, 30 and 40 MiB before.
    let mut numbers = Numbers(7);
    let mut input: Vec<u8> = vec![];
    while input.len() < 3 << (WINDOW + 1) {
        let count = (1 << 20) + numbers.below(1 << 20);
        let before = [20, 30, 40][numbers.below(3)] << 20;
        if input.len() > before && numbers.below(3) > 0 {
            let from = input.len() - before;
            input.extend_from_within(from..from + count);
        } else {
            input.extend((0..count / 8).flat_map(|_| numbers.next().to_le_bytes()));
        }
    }
    let setting = setting("zstd:1");
    let expected = compress(&setting, &pool(1), &input);
    // Most of what comes again from within the window is found.
    assert!(
        expected.len() < input.len() * 7 / 10,
        "{} of {}",
        expected.len(),
        input.len()
    );
    assert!(decompress(Compression::Zstd, &expected) == input);
    for threads in [2, 3, 5, 16] {
        let pool = pool(threads);
        let mut encoder = Encoder::new(&setting, &pool, vec![]).unwrap();
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at((1 + numbers.below(3 << 20)).min(rest.len()));
            encoder.write_all(now).unwrap();
            rest = later;
        }
        assert!(encoder.finish().unwrap() == expected, "{threads} threads");
    }
}

#[test]
fn frames_that_stand_still_are_not_waited_for() {
    let (pool, input) = (pool(1), sample(2 * JOB));
    thread::scope(|scope| {
        let pool = &pool;
        // More than there may be at once, each on a thread of its own.
        let stuck: Vec<_> = (0..3)
            .map(|_| {
                let (go, gone) = channel();
                let encode = move || {
                    let out = Stuck(gone, vec![]);
                    let mut encoder = Encoder::new(&Setting::ZSTD, pool, out).unwrap();
                    encoder.write_all(input).unwrap();
                    encoder.finish().unwrap().1
                };
                (go, scope.spawn(encode))
            })
            .collect();
        let free = compress(&Setting::ZSTD, pool, input);
        for (go, stuck) in stuck {
            drop(go);
            assert!(stuck.join().unwrap() == free);
        }
    });
}

#[test]
fn all_threads_have_frames() {
    for (threads, of_frame) in [(1, 1), (2, 2), (4, 4), (5, 4), (17, 4)] {
        assert_eq!(
            pool(threads).frames().workers(false).count(),
            of_frame,
            "{threads}"
        );
    }
}
