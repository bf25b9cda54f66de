//! A server of a binary cache's files on the loopback interface, which counts what it sends.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use terrine_tests::http::Head;

use super::Result;

/// A server on a free port. It ends with the process.
pub(super) struct Server {
    port: u16,
    sent: Arc<AtomicU64>,
}

impl Server {
    /// Serves the files below a directory.
    pub(super) fn of(place: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let sent = Arc::new(AtomicU64::new(0));
        let (place, counter) = (place.to_owned(), Arc::clone(&sent));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (place, counter) = (place.clone(), Arc::clone(&counter));
                // A client that ends the connection early is no concern of the server.
                thread::spawn(move || drop(serve(&stream, &place, &counter)));
            }
        });
        Ok(Self { port, sent })
    }

    /// The location of the cache.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the number of bytes that were sent since the last time.
    pub(super) fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, place: &Path, sent: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut stream = stream;
    while let Some(head) = Head::read(&mut reader)? {
        let is_head = head.start.starts_with("HEAD ");
        let path = head.start.split(' ').nth(1).unwrap_or("/");
        let file: PathBuf = place.join(path.trim_start_matches('/'));
        let (answer, file) = match File::open(file) {
            Ok(file) => {
                let size = file.metadata()?.len();
                (Head::answer(200).with("Content-Length", size), Some(file))
            }
            Err(_) => (Head::answer(404).with("Content-Length", 0), None),
        };
        let mut bytes = vec![];
        answer.write(&mut bytes)?;
        stream.write_all(&bytes)?;
        let body = match file.filter(|_| !is_head) {
            // The kernel copies it.
            Some(mut file) => io::copy(&mut file, &mut stream)?,
            None => 0,
        };
        sent.fetch_add(bytes.len() as u64 + body, Ordering::Relaxed);
    }
    Ok(())
}
