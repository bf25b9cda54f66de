//! A server of a binary cache's files, which notes what it is asked for.

use std::fs;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use terrine_tests::http::Head;

/// Changes the answer for a path: status and body.
pub(super) type Change = dyn Fn(&str, u16, Vec<u8>) -> (u16, Vec<u8>) + Send + Sync;

/// A server on a free port of the loopback interface. It ends with the process.
pub(super) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves a directory as it is.
    pub(super) fn of(place: &Path) -> Self {
        Self::changing(place, |_, status, body| (status, body))
    }

    /// Serves a directory with changed answers.
    pub(super) fn changing(
        place: &Path,
        change: impl Fn(&str, u16, Vec<u8>) -> (u16, Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(vec![]));
        let (notes, place) = (Arc::clone(&asked), place.to_owned());
        let change: Arc<Change> = Arc::new(change);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (notes, place, change) =
                    (Arc::clone(&notes), place.clone(), Arc::clone(&change));
                thread::spawn(move || serve(&stream.unwrap(), &place, &notes, &*change));
            }
        });
        Self { port, asked }
    }

    /// The location of the cache.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The paths that were asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, place: &Path, notes: &Mutex<Vec<String>>, change: &Change) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(head)) = Head::read(&mut reader) {
        let path = head.start.split(' ').nth(1).unwrap().to_owned();
        notes.lock().unwrap().push(path.clone());
        let (status, body) = match fs::read(place.join(&path[1..])) {
            Ok(body) => (200, body),
            Err(_) => (404, vec![]),
        };
        let (status, body) = change(&path, status, body);
        let answer = Head::answer(status).with("Content-Length", body.len());
        let mut stream = stream;
        if answer
            .write(stream)
            .and_then(|()| stream.write_all(&body))
            .is_err()
        {
            return;
        }
    }
}
