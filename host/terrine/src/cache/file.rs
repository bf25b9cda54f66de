//! The database file: the only part that knows SQL.
//!
//! A rollback journal and not a write-ahead log: that one needs memory shared by all who use the
//! file, which there is not between machines with one home directory, and it writes to the
//! folder even to read. A process that is killed leaves a journal, which the next one plays
//! back.
//!
//! The disk is not waited for: a sync beside a build that writes gigabytes takes seconds, in
//! which nobody could look anything up. So a machine that loses its power may leave a damaged
//! database. That is recognised as any other damage is, by the checksums of the rows and by
//! SQLite, and costs the entries.
//!
//! The file is never removed or replaced while it may be in use: a process that still has it
//! open would leave its journal beside the new one, to be played back into that. A damaged one
//! is emptied in place, under SQLite's own locks. That is done only to a file that says that it is a cache, and
//! a link is not followed: nothing else that has come into this place is lost.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use terrine_oci::Digest;

use super::Error;
use super::error::is_damage;
use super::row::{Id, Kind};

/// The file's name in its folder.
pub(super) const NAME: &str = "layers.sqlite";
/// The time to wait for another process that holds the database. Tests whose processes take turns have to get their own,
/// however busy the machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 30 } else { 2 });
/// The version of the table and of what is in it.
const VERSION: i64 = 1;
/// The application that the header says the database is for, as a number of SQLite's: "trrn".
const APPLICATION: i32 = i32::from_be_bytes(*b"trrn");
/// The start of every database of SQLite, and the place of the application in its header, in bytes
/// (sqlite.org/fileformat2.html, 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
const APPLICATION_AT: usize = 68;
const SCHEMA: &str = "CREATE TABLE entries (kind INTEGER NOT NULL, key BLOB NOT NULL, \
    value BLOB NOT NULL, used INTEGER NOT NULL, seal BLOB NOT NULL, \
    PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID";
const SETTINGS: &str = "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;";
const DO_NOT_WAIT: &str = "PRAGMA synchronous = OFF;";
const STATE: &str = "SELECT user_version, (SELECT count(*) FROM sqlite_schema), \
    (SELECT sql FROM sqlite_schema) FROM pragma_user_version";
const SELECT: &str = "SELECT value, used, seal FROM entries WHERE kind = ?1 AND key = ?2";
const PUT: &str =
    "INSERT OR REPLACE INTO entries (kind, key, value, used, seal) VALUES (?1, ?2, ?3, ?4, ?5)";
const TOUCH: &str = "UPDATE entries SET used = ?3 WHERE kind = ?1 AND key = ?2";
const REMOVE: &str = "DELETE FROM entries WHERE kind = ?1 AND key = ?2";
const ALL: &str = "SELECT key, value, seal FROM entries WHERE kind = ?1 ORDER BY key";
const UNUSED: &str = "DELETE FROM entries WHERE used < ?1";
const EVICT: &str = "DELETE FROM entries WHERE (kind, key) IN \
    (SELECT kind, key FROM entries ORDER BY used, kind, key LIMIT ?1)";
/// Fewer bytes than any row takes: its key and its seal.
const LEAST_ROW: u64 = 64;
/// The number of times that the least recently used are removed, before everything goes.
const ROUNDS: usize = 6;

/// The result of looking up a row's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Nothing.
    Nothing,
    /// A row that is not what was once written there.
    Wrong,
    /// The value, and when it was last used.
    Value(Vec<u8>, u64),
}

/// A change to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowChange {
    /// There is this value now.
    Put(Vec<u8>),
    /// It was used.
    Touch,
    /// It goes.
    Remove,
}

/// The state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A cache of this version.
    Ours,
    /// Nothing yet.
    Empty,
    /// A database, but another one.
    Foreign,
}

/// An open database.
#[derive(Debug)]
pub(super) struct File {
    connection: Connection,
    path: PathBuf,
}

impl File {
    /// Opens the database of a folder and makes it if need be. Tells also whether what was
    /// there was damaged and is gone.
    pub(super) fn create(folder: &Path) -> Result<(Self, bool), Error> {
        let file = Self::connect(folder, OpenFlags::SQLITE_OPEN_CREATE)?;
        let damaged = file.make_ours().map_err(Error::database(&file.path))?;
        Ok((file, damaged))
    }

    /// Opens the database of a folder, whatever is in it. None if there is none.
    pub(super) fn existing(folder: &Path) -> Result<Option<Self>, Error> {
        match fs::symlink_metadata(folder.join(NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Self::connect(folder, OpenFlags::empty()).map(Some),
        }
    }

    fn connect(folder: &Path, flags: OpenFlags) -> Result<Self, Error> {
        let path = folder.join(NAME);
        let known = is_known(&path)?;
        // SQLite follows no link at all then, so those on the way to the folder are followed here.
        let real = fs::canonicalize(folder).map_err(|source| Error::Io {
            path: folder.to_owned(),
            source,
        })?;
        let flags = flags
            | OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Self::open_database(&real.join(NAME), flags).map_err(Error::database(&path))?;
        let file = Self { connection, path };
        if !known {
            file.check_foreign()?;
        }
        Ok(file)
    }

    /// Refuses a file that does not say that it is a cache, unless it is one all the same or holds nothing.
    fn check_foreign(&self) -> Result<(), Error> {
        let refused = || Error::NotACache {
            path: self.path.clone(),
        };
        match self.state() {
            Ok(State::Ours | State::Empty) => Ok(()),
            Ok(State::Foreign) => Err(refused()),
            Err(error) if is_damage(&error) => Err(refused()),
            Err(error) => Err(Error::database(&self.path)(error)),
        }
    }

    /// Connects to a file, with all settings made.
    fn open_database(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.execute_batch(SETTINGS)?;
        // It reads the file, which may be damaged, and matters only for writing.
        let _ = connection.execute_batch(DO_NOT_WAIT);
        Ok(connection)
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads its state.
    pub(super) fn state(&self) -> rusqlite::Result<State> {
        self.connection.query_row(STATE, [], |row| {
            let (version, count): (i64, i64) = (row.get(0)?, row.get(1)?);
            let sql: Option<String> = row.get(2)?;
            Ok(match (version, count, sql.as_deref()) {
                (VERSION, 1, Some(SCHEMA)) => State::Ours,
                (0, 0, None) => State::Empty,
                _ => State::Foreign,
            })
        })
    }

    /// Empties a database that is damaged or of another version, and makes the table. Returns
    /// whether it was damaged.
    fn make_ours(&self) -> rusqlite::Result<bool> {
        // A log that somebody else switched on is none of ours; where it cannot be switched
        // off, it works with it.
        let _ = self
            .connection
            .execute_batch("PRAGMA journal_mode = TRUNCATE;");
        let damaged = match self.state() {
            // A header can say that the file is of a later SQLite, which then only reads it. If the
            // file itself cannot be written, that is as well, and it stays as it is.
            Ok(State::Ours) if self.connection.is_readonly("main")? => {
                return Ok(self.reset().is_ok());
            }
            Ok(State::Ours) => return Ok(false),
            Ok(State::Empty) => false,
            Ok(State::Foreign) => {
                self.reset()?;
                return Ok(false);
            }
            Err(error) if is_damage(&error) => {
                self.reset()?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        self.make_table()?;
        Ok(damaged)
    }

    /// Empties the database, whatever is in it.
    pub(super) fn reset(&self) -> rusqlite::Result<()> {
        self.connection.flush_prepared_statement_cache();
        // SQLite wants to have tried to read it.
        let _ = self.state();
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
        let emptied = self.connection.execute_batch("VACUUM");
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
        emptied?;
        let _ = self.connection.execute_batch(DO_NOT_WAIT);
        self.make_table()
    }

    fn make_table(&self) -> rusqlite::Result<()> {
        self.transaction(|| match self.state()? {
            // Somebody else was faster.
            State::Ours => Ok(()),
            _ => {
                self.connection.execute_batch(SCHEMA)?;
                self.connection
                    .pragma_update(None, "application_id", APPLICATION)?;
                self.connection.pragma_update(None, "user_version", VERSION)
            }
        })
    }

    /// Reads what there is of each name, all of one moment.
    pub(super) fn get(&self, ids: &[Id]) -> rusqlite::Result<Vec<Lookup>> {
        // One alone is of one moment anyway.
        if let [id] = ids {
            return Ok(vec![self.get_one(*id)?]);
        }
        self.connection.execute_batch("BEGIN")?;
        let found = ids.iter().map(|id| self.get_one(*id)).collect();
        self.connection.execute_batch("COMMIT")?;
        found
    }

    fn get_one(&self, id: Id) -> rusqlite::Result<Lookup> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        let row = statement
            .query_row(params![id.kind.number(), id.key.as_bytes()], |row| {
                // A value of another type is an error of its own, and no reason to stop.
                Ok(<(Vec<u8>, i64, [u8; 32])>::try_from(row).ok())
            })
            .optional()?;
        Ok(match row {
            None => Lookup::Nothing,
            Some(Some((value, used, seal))) if id.seal(&value) == Digest::from(seal) => {
                Lookup::Value(value, u64::try_from(used).unwrap_or(0))
            }
            Some(_) => Lookup::Wrong,
        })
    }

    /// Makes changes, all of them or none, and removes the least recently used entries where
    /// there are too many.
    pub(super) fn change<'c>(
        &self,
        changes: impl Iterator<Item = (&'c Id, &'c RowChange)>,
        now: u64,
        max_rows: u64,
        max_bytes: u64,
    ) -> rusqlite::Result<()> {
        let used = i64::try_from(now).unwrap_or(i64::MAX);
        self.transaction(|| {
            for (id, change) in changes {
                let (kind, key) = (id.kind.number(), id.key.as_bytes());
                match change {
                    RowChange::Put(value) => {
                        let seal = id.seal(value);
                        let values = params![kind, key, value, used, seal.as_bytes()];
                        self.connection.prepare_cached(PUT)?.execute(values)?
                    }
                    RowChange::Touch => self
                        .connection
                        .prepare_cached(TOUCH)?
                        .execute(params![kind, key, used])?,
                    RowChange::Remove => self
                        .connection
                        .prepare_cached(REMOVE)?
                        .execute(params![kind, key])?,
                };
            }
            self.evict(max_rows, max_bytes)
        })
    }

    /// Removes the least recently used entries, a quarter more than need be, so that it is
    /// not done at every change.
    fn evict(&self, max_rows: u64, max_bytes: u64) -> rusqlite::Result<()> {
        for _ in 0..ROUNDS {
            let bytes = self.used_bytes()?;
            // Counting looks at everything, so it is done only where there may be too many.
            if bytes <= max_bytes && bytes / LEAST_ROW <= max_rows {
                return Ok(());
            }
            let rows = self.count(None)?;
            if bytes <= max_bytes && rows <= max_rows {
                return Ok(());
            }
            let room = if bytes > max_bytes {
                u64::try_from(u128::from(rows) * u128::from(max_bytes) / u128::from(bytes))
            } else {
                Ok(rows)
            };
            let keep = room.unwrap_or(rows).min(max_rows) / 4 * 3;
            self.connection
                .execute(EVICT, [i64::try_from(rows - keep).unwrap_or(i64::MAX)])?;
        }
        self.connection.execute("DELETE FROM entries", []).map(drop)
    }

    /// The bytes of all pages that hold something.
    fn used_bytes(&self) -> rusqlite::Result<u64> {
        let number = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let pages = number("page_count")? - number("freelist_count")?;
        Ok(u64::try_from(pages * number("page_size")?).unwrap_or(0))
    }

    /// The rows of a kind that are right, in the order of their keys.
    pub(super) fn rows(&self, kind: Kind) -> rusqlite::Result<Vec<(Id, Vec<u8>)>> {
        let mut statement = self.connection.prepare(ALL)?;
        let rows = statement.query_map([kind.number()], |row| {
            Ok(<([u8; 32], Vec<u8>, [u8; 32])>::try_from(row).ok())
        })?;
        let mut right = vec![];
        for row in rows {
            let Some((key, value, seal)) = row? else {
                continue;
            };
            let key = Digest::from(key);
            let id = Id { kind, key };
            if id.seal(&value) == Digest::from(seal) {
                right.push((id, value));
            }
        }
        Ok(right)
    }

    /// A fact, if there is one that is right.
    pub(super) fn fact(&self, kind: &str, key: Digest) -> rusqlite::Result<Option<String>> {
        Ok(match self.get_one(Id::fact(kind, key))? {
            Lookup::Value(value, _) => String::from_utf8(value).ok(),
            Lookup::Nothing | Lookup::Wrong => None,
        })
    }

    /// Removes what was used last before a day, and the least recently used where all takes more bytes, and gives the
    /// room back. Tells how many rows went.
    pub(super) fn prune(
        &self,
        before: Option<u64>,
        max_bytes: Option<u64>,
    ) -> rusqlite::Result<u64> {
        let mut gone = 0;
        self.transaction(|| {
            let all = self.count(None)?;
            if let Some(before) = before {
                let before = i64::try_from(before).unwrap_or(i64::MAX);
                self.connection.execute(UNUSED, [before])?;
            }
            if let Some(most) = max_bytes {
                self.evict(u64::MAX, most)?;
            }
            gone = all - self.count(None)?;
            Ok(())
        })?;
        let _ = self.connection.execute_batch("VACUUM");
        Ok(gone)
    }

    /// Returns the number of rows, of one kind or in all.
    pub(super) fn count(&self, kind: Option<Kind>) -> rusqlite::Result<u64> {
        let count: i64 = match kind {
            Some(kind) => {
                let sql = "SELECT count(*) FROM entries WHERE kind = ?1";
                self.connection
                    .query_row(sql, [kind.number()], |row| row.get(0))
            }
            None => self
                .connection
                .query_row("SELECT count(*) FROM entries", [], |row| row.get(0)),
        }?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The first and the last time that any row was used.
    pub(super) fn uses(&self) -> rusqlite::Result<Option<(u64, u64)>> {
        let sql = "SELECT min(used), max(used) FROM entries";
        let uses: (Option<i64>, Option<i64>) = self
            .connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let day = |used: i64| u64::try_from(used).unwrap_or(0);
        Ok(uses
            .0
            .zip(uses.1)
            .map(|(oldest, newest)| (day(oldest), day(newest))))
    }

    /// Removes all rows and gives the room back. Tells how many there were.
    pub(super) fn clear(&self) -> rusqlite::Result<u64> {
        let mut count = 0;
        self.transaction(|| {
            count = self.count(None)?;
            self.connection.execute("DELETE FROM entries", []).map(drop)
        })?;
        // Others may be reading; then the room is used again, and given back another time.
        let _ = self.connection.execute_batch("VACUUM");
        Ok(count)
    }

    /// Sets the time to wait for another process from now on.
    pub(super) fn wait_for(&self, patience: Duration) {
        // It fails only for a time that no number holds.
        let _ = self.connection.busy_timeout(patience);
    }

    fn transaction(&self, work: impl FnOnce() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work().and_then(|()| self.connection.execute_batch("COMMIT"));
        if done.is_err() {
            // Some errors have rolled it back already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Tells whether a file says that it is a cache, as one does that is yet to be made or written.
fn is_known(path: &Path) -> Result<bool, Error> {
    let failed = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        metadata => metadata.map_err(failed)?,
    };
    if metadata.is_symlink() {
        return Err(Error::Link {
            path: path.to_owned(),
        });
    }
    if !metadata.is_file() {
        return Err(Error::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut header = vec![];
    fs::File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(failed)?;
    let application = header.get(APPLICATION_AT..APPLICATION_AT + 4);
    Ok(header.is_empty()
        || header.starts_with(MAGIC) && application == Some(&APPLICATION.to_be_bytes()))
}
