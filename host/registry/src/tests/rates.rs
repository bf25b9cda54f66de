//! Blobs that come and go slowly.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use terrine_oci::Digest;

use super::super::testing::step;
use super::super::{Cause, ClientOptions};
use super::slow::{SHORT, ask, at_once, hurried, path, read, slow};
use super::uploads::{started, upload};
use super::{blob, bytes, chain};

#[test]
fn a_layer_below_the_least_rate_is_an_interruption() {
    let content = bytes(1000);
    let blob = blob(&content);
    let layer = || step(path(blob.digest)).body(&*content);
    let limits = |retries| ClientOptions {
        retries,
        least_rate: 1000,
        ..hurried()
    };
    let is_told = || {
        let error = ask(limits(0), vec![layer().drip(10)], |client, of| {
            read(client, of, &blob).unwrap_err()
        });
        let Cause::Stalled { bytes, time, .. } = *error.cause() else {
            panic!("{error:?}")
        };
        assert!((1..400).contains(&bytes) && time >= SHORT, "{error:?}");
        let expected = format!(
            " sent {bytes} bytes in {} s, less than the minimum of 1000 bytes per second",
            time.as_secs_f32()
        );
        assert!(chain(&error).ends_with(&expected), "{}", chain(&error));
    };
    let next_is_fast = || {
        let got = ask(limits(1), vec![layer().drip(10), layer()], |client, of| {
            read(client, of, &blob).unwrap()
        });
        assert_eq!(got, content);
    };
    // What was read before is read again, and that has to go on as well.
    let is_read_again = || {
        let steps = vec![layer().cut(900), layer().drip(10), layer().drip(10)];
        let error = ask(limits(1), steps, |client, of| {
            read(client, of, &blob).unwrap_err()
        });
        assert!(matches!(error.cause(), Cause::Stalled { .. }), "{error:?}");
    };
    at_once(&[&is_told, &next_is_fast, &is_read_again]);
}

#[test]
fn a_layer_above_the_least_rate_takes_as_long_as_it_takes() {
    let content = bytes(200);
    let blob = blob(&content);
    let options = ClientOptions {
        least_rate: 5,
        ..hurried()
    };
    let start = Instant::now();
    let steps = vec![step(path(blob.digest)).body(&*content).drip(20)];
    let got = ask(options, steps, |client, of| {
        read(client, of, &blob).unwrap()
    });
    assert_eq!(got, content);
    assert!(start.elapsed() > 2 * SHORT);
}

#[test]
fn a_chunk_that_does_not_begin_is_an_interruption() {
    let blob = blob(b"x");
    let steps = vec![
        step(path(blob.digest))
            .header("transfer-encoding", "chunked")
            .body("0")
            .drip(10),
    ];
    let error = ask(hurried(), steps, |client, of| {
        read(client, of, &blob).unwrap_err()
    });
    assert_eq!(slow(&error), 0);
}

#[test]
fn a_reader_of_ours_may_be_slow() {
    let content = bytes(1000);
    let blob = blob(&content);
    let options = ClientOptions {
        least_rate: 100_000,
        ..hurried()
    };
    let steps = vec![step(path(blob.digest)).body(&*content)];
    ask(options, steps, |client, of| {
        let mut reader = client.blob(of, &blob).unwrap();
        let mut buffer = [0; 500];
        reader.read_exact(&mut buffer).unwrap();
        // Longer than it is looked at, and shorter than such a blob may take in all.
        std::thread::sleep(SHORT / 2);
        reader.read_exact(&mut buffer).unwrap();
    });
}

/// Larger than all that may wait between a client and a server that does not read.
const SIZE: usize = 40_000_000;
/// The time after which the rate of such an upload is looked at.
const WINDOW: Duration = SHORT.saturating_mul(2);

/// The number of sips, ten in a second, that take so long.
fn sips(time: Duration) -> u64 {
    time.as_secs() * 10 + u64::from(time.subsec_millis()) / 100
}

#[test]
fn an_upload_below_the_least_rate_is_an_interruption() {
    let content = bytes(SIZE);
    let put = || {
        step(format!(
            "PUT /u?digest=sha256%3A{}",
            Digest::of(&content).hex()
        ))
    };
    let limits = |retries| ClientOptions {
        retries,
        least_rate: 10_000_000,
        // Until the server listens again after it was slow, there is no answer.
        answer_timeout: WINDOW,
        ..hurried()
    };
    // A megabyte in a second, for that much longer than it is looked at.
    let slow = |longer: Duration| put().sip(sips(WINDOW + longer), 100, true);
    let is_told = || {
        let steps = vec![started("/u"), slow(2 * SHORT)];
        let error = ask(limits(0), steps, |client, to| {
            upload(client, to, &content).0.unwrap_err()
        });
        let said = chain(&error);
        assert!(
            said.contains(" took ")
                && said.ends_with(" s, less than the minimum of 10000000 bytes per second"),
            "{said}"
        );
    };
    let goes_on = || {
        let steps = vec![
            started("/u"),
            slow(SHORT / 3),
            step("GET /u").status(204).header("range", "0-99"),
            put().status(201),
        ];
        ask(limits(1), steps, |client, to| {
            upload(client, to, &content).0.unwrap();
        });
    };
    at_once(&[&is_told, &goes_on]);
}

#[test]
fn an_upload_above_the_least_rate_takes_as_long_as_it_takes() {
    let content = bytes(SIZE);
    let put = step(format!(
        "PUT /u?digest=sha256%3A{}",
        Digest::of(&content).hex()
    ));
    let options = ClientOptions {
        least_rate: 100_000,
        ..hurried()
    };
    let steps = vec![
        started("/u"),
        put.sip(sips(2 * SHORT), 100, false).status(201),
    ];
    ask(options, steps, |client, to| {
        upload(client, to, &content).0.unwrap();
    });
}

#[test]
fn a_source_of_ours_may_be_slow() {
    /// Waits before each read.
    struct Late(io::Cursor<Vec<u8>>);
    impl Read for Late {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(SHORT / 5);
            self.0.read(buffer)
        }
    }
    let content = bytes(1_000_000);
    let blob = blob(&content);
    let put = step(format!("PUT /u?digest=sha256%3A{}", blob.digest.hex()));
    let options = ClientOptions {
        least_rate: 10_000_000,
        ..hurried()
    };
    let steps = vec![started("/u"), put.status(201)];
    ask(options, steps, |client, to| {
        let open = || {
            let late = Late(io::Cursor::new(content.clone()));
            io::Result::Ok(Box::new(late) as Box<dyn Read + Send>)
        };
        client.upload(to, &blob, &open, &|_| ()).unwrap();
    });
}
