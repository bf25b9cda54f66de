//! The database of a store that is in use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Statement};
use terrine_support::file::FileError;

use super::{Error, Fault, Graph, GraphEntry, Names};
use crate::sqlite;

/// The time to wait for a process that holds the whole database.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest path that Linux takes, in bytes.
const MAX_PATH: usize = 4095;

const BY_PATH: &str = "SELECT id FROM ValidPaths WHERE path = ?1";
const BY_ID: &str = "SELECT path, narSize FROM ValidPaths WHERE id = ?1";
const REFERENCES: &str = "SELECT reference FROM Refs WHERE referrer = ?1";

/// The database in which Nix and Guix keep what they know of a store's paths, as it was
/// when it was opened. Neither Nix nor Guix is needed, and what they do is not disturbed.
///
/// The database is not changed, but SQLite may leave its log's two files beside it. Where
/// it has no write-ahead log, changes wait until this is dropped, and where it has one, the
/// log does not shrink before: do so when all is read.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    file: PathBuf,
    immutable: bool,
}

impl Database {
    /// Opens a database.
    ///
    /// SQLite writes to the folder of a database with a write-ahead log, even to read it.
    /// Where it may not, the file is read as one that nobody changes, without its log and
    /// without locks. Paths that were added last may then be missing, and if Nix moves the
    /// log into the file at that moment, reading it may fail.
    ///
    /// # Errors
    ///
    /// A file that does not exist, cannot be read, or is not the database of a store.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let kind = fs::metadata(file).map_err(FileError::io(file))?;
        if !kind.is_file() {
            // SQLite would wait for a writer of the fifo.
            let why = if kind.is_dir() {
                "it is a folder"
            } else {
                "it is not a regular file"
            };
            return Err(Error::NotADatabase {
                path: file.to_owned(),
                why: why.to_owned(),
            });
        }
        let connection = match connect(file, OpenFlags::empty()) {
            // A process that may not write could not put right what a crash left half done.
            Err(error) if is_kept_from_writing(&error) && !has_journal(file) => {
                immutable(file).map(|c| (c, true))
            }
            connected => connected.map(|c| (c, false)),
        };
        let (connection, immutable) = connection.map_err(|source| failed(file, source))?;
        let database = Self {
            connection,
            file: file.to_owned(),
            immutable,
        };
        database.check_schema()?;
        Ok(database)
    }

    /// The directory in which Nix keeps everything but the store paths of a store: `/nix/var/nix`
    /// for `/nix/store`.
    pub fn state_dir(store_dir: &str) -> String {
        let store_dir = store_dir.trim_end_matches('/');
        let parent = store_dir.rsplit_once('/').map_or("", |(parent, _)| parent);
        format!("{parent}/var/nix")
    }

    /// Returns where the database of a store usually is that is `store_dir` in the image and below
    /// `store_root` on this machine.
    pub fn default_path(store_dir: &str, store_root: &Path) -> PathBuf {
        let store_dir = store_dir.trim_end_matches('/');
        if store_dir == "/gnu/store" {
            return store_root.join("var/guix/db/db.sqlite");
        }
        let state_dir = Self::state_dir(store_dir);
        store_root
            .join(state_dir.trim_start_matches('/'))
            .join("db/db.sqlite")
    }

    /// The closure of some store paths.
    ///
    /// # Errors
    ///
    /// A path that the store does not know, and a database that cannot be read.
    pub fn closure(&self, roots: &[String]) -> Result<Graph, Error> {
        let failed = |source| failed(&self.file, source);
        let mut by_path = self.connection.prepare(BY_PATH).map_err(failed)?;
        let mut ids = Vec::new();
        for root in roots {
            let path = root.trim_end_matches('/');
            let id = by_path
                .query_row([path], |row| row.get(0))
                .optional()
                .map_err(failed)?;
            ids.push(id.ok_or_else(|| Error::NotRegistered {
                path: root.clone(),
                database: self.file.clone(),
                immutable: self.immutable,
            })?);
        }
        let entries = self
            .reached(ids)
            .map_err(failed)?
            .map_err(|fault| Error::fault(&self.file, fault))?;
        Graph::build(entries).map_err(|fault| Error::fault(&self.file, fault))
    }

    /// The connection, in the transaction that reads of one moment.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The error of a statement that failed.
    pub(super) fn failed(&self, source: rusqlite::Error) -> Error {
        failed(&self.file, source)
    }

    /// The error of what the database says.
    pub(super) fn fault(&self, fault: Fault) -> Error {
        Error::fault(&self.file, fault)
    }

    fn check_schema(&self) -> Result<(), Error> {
        for (table, query) in [("ValidPaths", BY_ID), ("Refs", REFERENCES)] {
            let found = sqlite::is_table(&self.connection, table);
            if !found.map_err(|source| failed(&self.file, source))? {
                return Err(Error::NotADatabase {
                    path: self.file.clone(),
                    why: format!("it has no table `{table}`"),
                });
            }
            match self.connection.prepare(query) {
                Ok(_) => {}
                // `no such column`.
                Err(error) if sqlite::is_about_schema(&error) => {
                    let why = format!("its table `{table}` has other columns");
                    return Err(Error::NotADatabase {
                        path: self.file.clone(),
                        why,
                    });
                }
                Err(error) => return Err(failed(&self.file, error)),
            }
        }
        Ok(())
    }

    /// Everything that the paths with these numbers reach. The inner error is a fault of
    /// what the database says.
    fn reached(&self, mut open: Vec<i64>) -> rusqlite::Result<Result<Vec<GraphEntry>, Fault>> {
        let mut by_id = self.connection.prepare(BY_ID)?;
        let mut references = self.connection.prepare(REFERENCES)?;
        // Sizes and references of the paths by their numbers.
        let mut found: BTreeMap<i64, PathRow> = BTreeMap::new();
        while let Some(id) = open.pop() {
            if found.contains_key(&id) {
                continue;
            }
            let node = PathRow::query(id, &mut by_id, &mut references)?;
            open.extend(node.references.iter().filter(|id| !found.contains_key(id)));
            found.insert(id, node);
        }
        Ok(found.values().map(|node| node.entry(&found)).collect())
    }
}

/// A path as it is in the database.
struct PathRow {
    /// None if there is no path with this number.
    path: Option<String>,
    size: Option<i64>,
    references: Vec<i64>,
}

impl PathRow {
    fn query(
        id: i64,
        by_id: &mut Statement<'_>,
        references: &mut Statement<'_>,
    ) -> rusqlite::Result<Self> {
        let row = by_id
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (path, size) = row.map_or((None, None), |(path, size)| (Some(path), size));
        // No system has such a path, and a default of a column can be one for every row.
        let path = path.filter(|path: &String| path.len() <= MAX_PATH);
        let references = references
            .query_map([id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path,
            size,
            references,
        })
    }

    fn entry(&self, all: &BTreeMap<i64, Self>) -> Result<GraphEntry, Fault> {
        let path = self.path.clone().unwrap_or_default();
        let size = u64::try_from(self.size.unwrap_or(0)).map_err(|_| Fault::Size {
            path: path.clone(),
            size: self.size.unwrap_or(0).to_string(),
        })?;
        let references = self
            .references
            .iter()
            .map(|id| {
                let reference = all.get(id).and_then(|node| node.path.clone());
                reference.ok_or_else(|| Fault::MissingReference {
                    path: path.clone(),
                    reference: format!("number {id}"),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(GraphEntry {
            path,
            size,
            references,
        })
    }
}

impl Names for Database {
    fn contains(&self, path: &str) -> Result<bool, Error> {
        let statement = self.connection.prepare(BY_PATH);
        statement
            .and_then(|mut statement| statement.exists([path]))
            .map_err(|source| failed(&self.file, source))
    }
}

/// Opens a file and begins to read, so that all that follows is of one moment.
fn connect(file: impl AsRef<Path>, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    sqlite::restrict(&mut connection)?;
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Opens a file as one that nobody changes.
fn immutable(file: &Path) -> rusqlite::Result<Connection> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut uri = "file://".to_owned();
    for &byte in file.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(byte.into());
            }
            // Writing to a string does not fail.
            _ => drop(write!(uri, "%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    connect(uri, OpenFlags::SQLITE_OPEN_URI)
}

/// Returns true if a change to a database was not finished, one without a write-ahead log.
fn has_journal(file: &Path) -> bool {
    let mut journal = file.as_os_str().to_owned();
    journal.push("-journal");
    Path::new(&journal).exists()
}

/// Returns true if an error may come from files that SQLite wants to write to beside the database.
fn is_kept_from_writing(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

fn failed(file: &Path, source: rusqlite::Error) -> Error {
    let path = file.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotADatabase {
            path,
            why: "it is not an SQLite database".to_owned(),
        },
        _ if sqlite::is_too_much(&source) => Error::NotADatabase {
            path,
            why: "it takes too long to read, or it has too much text".to_owned(),
        },
        _ => Error::Database { path, source },
    }
}

#[cfg(test)]
mod tests;
