//! A proxy in front of a registry: counts what goes through, and breaks it by rules.
//!
//! ```no_run
//! # use terrine_tests::{proxy::{Fault, Proxy, When}, registry::Registry};
//! let registry = Registry::start().unwrap();
//! let proxy = Proxy::to(&registry);
//! proxy.fault(|request| request.is("PUT", "/manifests/"), When::First(2), Fault::status(503));
//! // ... push to `docker://{proxy.host()}/name:tag` ...
//! assert_eq!(proxy.count(|request| request.is("PUT", "/manifests/")), 3);
//! ```
//!
//! With [`Proxy::with_tokens`] it is the guard at the registry's door too: it wants bearer
//! tokens, and hands them out at `/token`.

mod answer;
mod exchange;
mod fault;
mod kept;
mod record;
mod tokens;

use std::io::{self, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use super::http::{Head, PATIENCE};
use super::registry::Registry;
use fault::Rules;
pub use fault::{ErrorBody, Fault, When};
use kept::Kept;
use record::Log;
pub use record::Request;
use tokens::Guard;
pub use tokens::{REFRESH, Tokens};

/// A proxy that runs, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The form in which the registry's `Location` fields reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locations {
    /// With scheme and host, as registries usually have it.
    Absolute,
    /// As paths only.
    Relative,
}

/// The state that the threads share.
struct Shared {
    /// The proxy's own address, and that of its second port.
    host: String,
    elsewhere: String,
    /// The registry, as clients see it, and past its door.
    registry: String,
    back: String,
    log: Log,
    rules: Mutex<Rules>,
    kept: Mutex<Kept>,
    guard: Option<Mutex<Guard>>,
    relative: AtomicBool,
    over: AtomicBool,
    /// Every connection that is open, so that none outlives the proxy.
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl Proxy {
    /// One that lets everything through.
    pub fn to(registry: &Registry) -> Self {
        Self::start(registry, None)
    }

    /// One that wants tokens.
    pub fn with_tokens(registry: &Registry, tokens: Tokens) -> Self {
        Self::start(registry, Some(Mutex::new(Guard::new(tokens))))
    }

    fn start(registry: &Registry, guard: Option<Mutex<Guard>>) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [host, elsewhere] = listeners
            .each_ref()
            .map(|listener| listener.local_addr().unwrap().to_string());
        let shared = Arc::new(Shared {
            host,
            elsewhere,
            registry: registry.front().to_owned(),
            back: registry.back().to_owned(),
            log: Log::default(),
            rules: Mutex::default(),
            kept: Mutex::default(),
            guard,
            relative: AtomicBool::new(false),
            over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let threads = listeners
            .into_iter()
            .zip([false, true])
            .map(|(listener, elsewhere)| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.accept(&listener, elsewhere))
            })
            .collect();
        Self { shared, threads }
    }

    /// Returns the address that it listens on: `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// Returns the address that it redirects to.
    pub fn elsewhere(&self) -> &str {
        &self.shared.elsewhere
    }

    /// Breaks requests that match, when their turn comes. Of several rules that hit a
    /// request the first decides.
    pub fn fault(
        &self,
        matches: impl Fn(&Request) -> bool + Send + 'static,
        when: When,
        fault: Fault,
    ) {
        lock(&self.shared.rules).add(Box::new(matches), when, fault);
    }

    /// Breaks nothing any more.
    pub fn heal(&self) {
        lock(&self.shared.rules).clear();
    }

    /// Says how `Location` reaches the client from now on; absolute, if nothing is said.
    pub fn locations(&self, locations: Locations) {
        self.shared
            .relative
            .store(locations == Locations::Relative, Ordering::Relaxed);
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.lock().clone()
    }

    /// Returns the number of such requests so far.
    pub fn count(&self, is: impl Fn(&Request) -> bool) -> usize {
        self.shared
            .log
            .lock()
            .iter()
            .filter(|request| is(request))
            .count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.log.lock().clear();
    }

    /// The requests as lines, for a message: method, target, status and what went wrong.
    pub fn story(&self) -> String {
        self.requests()
            .iter()
            .map(|request| {
                let status = request
                    .status
                    .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                let fault = request
                    .fault
                    .as_ref()
                    .map_or_else(String::new, |fault| format!(" ({fault:?})"));
                format!("{} {}: {status}{fault}\n", request.method, request.target())
            })
            .collect()
    }
}

impl Drop for Proxy {
    #[allow(
        clippy::print_stderr,
        reason = "a test that fails shows what was asked"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what went through the proxy:\n{}", self.story());
        }
        self.shared.over.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.open)
            .drain(..)
            .filter_map(|stream| stream.upgrade())
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for host in [self.host(), self.elsewhere()] {
            // Wakes the thread that waits for one.
            let _ = TcpStream::connect(host);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Serves connections until the proxy is over, each by a thread of its own.
    fn accept(&self, listener: &TcpListener, elsewhere: bool) {
        thread::scope(|scope| {
            for stream in listener.incoming() {
                if self.over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream.and_then(|stream| self.opened(stream)) else {
                    continue;
                };
                // Clients come and go as they like.
                scope.spawn(move || drop(self.serve(&stream, elsewhere)));
            }
        });
    }

    /// Notes a connection.
    fn opened(&self, stream: TcpStream) -> io::Result<Arc<TcpStream>> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let mut open = lock(&self.open);
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        if self.over.load(Ordering::SeqCst) {
            stream.shutdown(Shutdown::Both)?;
        }
        Ok(stream)
    }

    /// A connection to the registry.
    fn upstream(&self, elsewhere: bool) -> io::Result<Arc<TcpStream>> {
        let stream = TcpStream::connect(if elsewhere {
            &self.back
        } else {
            &self.registry
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        self.opened(stream)
    }

    /// Answers the requests of a connection, one after the other.
    fn serve(&self, stream: &TcpStream, elsewhere: bool) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(head) = Head::read(&mut reader)? {
            let keep = head
                .get("connection")
                .is_none_or(|value| !value.eq_ignore_ascii_case("close"));
            if !self.exchange(&mut reader, stream, &head, elsewhere)? || !keep {
                break;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Locks what a thread that panicked may have held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
