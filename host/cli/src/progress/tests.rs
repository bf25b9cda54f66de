use super::*;

fn count(written: u64, sent: u64, finished: usize, there: usize) -> String {
    counts(0, written, sent, finished, there)
}

fn counts(read: u64, written: u64, sent: u64, finished: usize, there: usize) -> String {
    let count = Count::new();
    count.read.store(read, Ordering::Relaxed);
    count.written.store(written, Ordering::Relaxed);
    count.sent.store(sent, Ordering::Relaxed);
    count.finished.store(finished, Ordering::Relaxed);
    count.there.store(there, Ordering::Relaxed);
    count.over.store(true, Ordering::Relaxed);
    let text = count.summary();
    match (text.find(" at "), text.find("/s")) {
        (Some(start), Some(end)) => format!("{}{}", &text[..start], &text[end + 2..]),
        _ => text,
    }
}

#[test]
fn a_summary_says_what_there_is_to_say() {
    assert_eq!(count(0, 0, 0, 0), "0 B");
    assert_eq!(count(1000, 0, 3, 0), "1.00 kB");
    assert_eq!(
        count(1000, 500, 3, 1),
        "1.00 kB, 1 of 3 layers already existed, 500 B sent"
    );
    assert_eq!(count(0, 0, 3, 3), "all layers already existed");
    assert_eq!(count(1000, 0, 3, 3), "1.00 kB, all layers already existed");
    let left = |written: u64, there: usize, left: usize| {
        let count = Count::new();
        count.written.store(written, Ordering::Relaxed);
        count.finished.store(3, Ordering::Relaxed);
        count.there.store(there, Ordering::Relaxed);
        count.left.store(left, Ordering::Relaxed);
        count.outcome(written)
    };
    let some = "1 of 3 layers already existed, 2 of 3 layers left where they are";
    assert_eq!(left(0, 1, 2), some);
    assert_eq!(left(0, 0, 3), "3 of 3 layers left where they are");
    assert!(left(5, 0, 1).ends_with("/s, 1 of 3 layers left where they are"));
    let taken = Count::new();
    for (count, number) in [(&taken.there, 2), (&taken.mounted, 1), (&taken.fetched, 1)] {
        count.store(number, Ordering::Relaxed);
    }
    taken.finished.store(3, Ordering::Relaxed);
    taken.received.store(500, Ordering::Relaxed);
    assert_eq!(
        taken.outcome(0),
        "2 of 3 layers already existed (1 mounted), 1 of 3 layers copied from other images, 500 B received"
    );
    // What was read matters until something is written.
    assert_eq!(counts(2000, 0, 0, 0, 0), "2.00 kB read");
    assert_eq!(counts(2000, 1000, 0, 1, 0), "1.00 kB");
}

#[test]
fn silence_is_broken_and_nothing_else() {
    let count = Count::new();
    // What was said before the first look is not silence.
    count.said.store(true, Ordering::Relaxed);
    assert_eq!(count.so_far(3), None);
    let (text, figures) = count.so_far(3).unwrap();
    assert!(text.starts_with("0 B at "), "{text}");
    assert_eq!((figures.bytes, figures.bytes_total), (Some(0), None));
    assert_eq!((figures.done, figures.total), (Some(0), Some(3)));
}

/// Returns the progress in words ten seconds after the start.
fn told(written: u64, expected: u64, sent: u64, to_send: u64) -> String {
    let estimate = Estimate {
        seconds: 10.0,
        written,
        expected,
        sent,
        to_send,
    };
    estimate.to_string()
}

#[test]
fn total_rate_and_rest_are_told_where_they_are_known() {
    const M: u64 = 1_000_000;
    for (written, expected, sent, to_send, told_of) in [
        (100 * M, 0, 0, 0, "100.00 MB at 10.00 MB/s"),
        (
            100 * M,
            400 * M,
            0,
            0,
            "100.00 MB of 400.00 MB at 10.00 MB/s, about 30 seconds left",
        ),
        // An estimate that is too small is no longer one.
        (
            401 * M,
            400 * M,
            0,
            0,
            "401.00 MB of 401.00 MB at 40.10 MB/s",
        ),
        (500 * M, 400 * M, 0, 0, "500.00 MB at 50.00 MB/s"),
        (
            400 * M,
            400 * M,
            50 * M,
            500 * M,
            "400.00 MB of 400.00 MB at 40.00 MB/s, 50.00 MB of 500.00 MB sent, about 2 minutes left",
        ),
        (
            400 * M,
            400 * M,
            500 * M,
            500 * M,
            "400.00 MB of 400.00 MB at 40.00 MB/s, 500.00 MB sent",
        ),
    ] {
        assert_eq!(told(written, expected, sent, to_send), told_of);
    }
}

#[test]
fn layers_that_were_there_are_told_of_when_it_is_over() {
    let count = Count::new();
    count.expected.store(700, Ordering::Relaxed);
    count.skipped.store(200, Ordering::Relaxed);
    count.written.store(100, Ordering::Relaxed);
    count.finished.store(2, Ordering::Relaxed);
    count.there.store(2, Ordering::Relaxed);
    // The third one is on its way.
    let line = count.line(3);
    let figures = count.figures(3);
    assert_eq!((figures.bytes, figures.bytes_total), (Some(100), Some(500)));
    assert_eq!((figures.done, figures.bytes_sent), (Some(2), None));
    assert!(line.starts_with("100 B of 500 B at "), "{line}");
    assert!(line.ends_with(", 2 of 3 layers done"), "{line}");
    assert!(!line.contains("there"), "{line}");
    count.finished.store(3, Ordering::Relaxed);
    count.over.store(true, Ordering::Relaxed);
    assert!(count.summary().ends_with("2 of 3 layers already existed"));
}
