//! The records of a database in an image.
//!
//! It is hostile until verified: tables have to be tables, nothing of its schema runs, and every
//! value is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};

use super::{Error, Record, Records, is_valid_path};
use crate::closure::Registration;
use crate::sqlite;

/// The most paths that a database may register.
const MAX_PATHS: usize = 1 << 20;
/// The most references that it may have.
const MAX_REFERENCES: usize = 1 << 24;
/// The most text of all paths together, in bytes.
const MAX_ALL: usize = 512 << 20;
/// The longest text that Nix writes into a column is a list of signatures, in bytes.
const MAX_TEXT: usize = 64 << 10;

const PATHS: &str = "SELECT id, path, hash, narSize, sigs, ca FROM ValidPaths ORDER BY id";
const REFERENCES: &str = "SELECT referrer, reference FROM Refs";
const OUTPUTS: &str = "SELECT drv, id, path FROM DerivationOutputs";

/// The database of an image.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The name of the image in errors.
    pub name: &'a str,
    /// The store's directory.
    pub store_dir: &'a str,
    /// The database's file.
    pub file: &'a [u8],
    /// Files beside it that SQLite may need, by what their names add to that of the database: the
    /// write-ahead log, which Nix leaves there, or a journal.
    pub beside: &'a [(&'a str, Vec<u8>)],
}

/// Reads all records. References are those of the database, and may lead to paths that the image
/// does not hold.
///
/// # Errors
///
/// A temporary folder that cannot be used, what is not a database of Nix's, and values that Nix
/// would not write.
pub fn read(image: &Image<'_>) -> Result<Records, Error> {
    let folder = tempfile::tempdir().map_err(|source| image.spooling(source))?;
    let file = folder.path().join("db.sqlite");
    fs::write(&file, image.file).map_err(|source| image.spooling(source))?;
    for (suffix, content) in image.beside {
        // SQLite finds it by its name, and takes from it what was committed.
        let beside = folder.path().join(format!("db.sqlite{suffix}"));
        fs::write(beside, content).map_err(|source| image.spooling(source))?;
    }
    let connection = open(&file).map_err(|source| image.failed(source))?;
    let reading = Reading {
        image,
        connection: &connection,
    };
    for table in ["ValidPaths", "Refs", "DerivationOutputs"] {
        reading.check_table(table)?;
    }
    reading.records()
}

/// Opens a copy of a database that nobody else has, so that nothing of its schema runs.
fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    sqlite::restrict(&mut connection)?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

impl Image<'_> {
    fn spooling(&self, source: std::io::Error) -> Error {
        Error::Spool {
            image: self.name.to_owned(),
            directory: std::env::temp_dir(),
            source,
        }
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        if sqlite::is_too_much(&source) {
            return self.invalid("it takes too long to read, or it has too much text");
        }
        Error::Read {
            image: self.name.to_owned(),
            source,
        }
    }

    fn invalid(&self, why: impl Into<String>) -> Error {
        Error::Invalid {
            image: self.name.to_owned(),
            why: why.into(),
        }
    }
}

/// The error of SQLite for what is too long.
fn too_big() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG),
        None,
    )
}

/// A database that is read.
struct Reading<'a> {
    image: &'a Image<'a>,
    connection: &'a Connection,
}

impl Reading<'_> {
    /// Checks that a table is one, and not a view or something that a module makes up.
    fn check_table(&self, name: &str) -> Result<(), Error> {
        let found = sqlite::is_table(self.connection, name);
        if found.map_err(|source| self.image.failed(source))? {
            Ok(())
        } else {
            Err(self.image.invalid(format!("it has no table `{name}`")))
        }
    }

    fn records(&self) -> Result<Records, Error> {
        let mut paths = BTreeMap::new();
        let mut records = Records::new();
        let mut total = 0;
        self.each(PATHS, MAX_PATHS, |row| {
            let id: i64 = row.get(0)?;
            let texts: [Option<String>; 4] = [row.get(1)?, row.get(2)?, row.get(4)?, row.get(5)?];
            total += texts.iter().flatten().map(String::len).sum::<usize>();
            if total > MAX_ALL {
                return Err(too_big());
            }
            Ok((id, texts, row.get::<_, Option<i64>>(3)?))
        })?
        .into_iter()
        .try_for_each(|(id, texts, size)| {
            let (path, record) = self.record(texts, size)?;
            paths.insert(id, path.clone());
            records.insert(path, record);
            Ok::<_, Error>(())
        })?;
        let known = |id: i64| {
            let unknown = || self.image.invalid(format!("no path has the number {id}"));
            paths.get(&id).ok_or_else(unknown)
        };
        for (referrer, reference) in self.each(REFERENCES, MAX_REFERENCES, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })? {
            let reference = known(reference)?.clone();
            if let Some(record) = records.get_mut(known(referrer)?) {
                record.references.insert(reference);
            }
        }
        let mut total = 0;
        for (derivation, name, path) in self.each(OUTPUTS, MAX_PATHS, |row| {
            let (name, path): (String, String) = (row.get(1)?, row.get(2)?);
            total += name.len() + path.len();
            if total > MAX_ALL {
                return Err(too_big());
            }
            Ok((row.get(0)?, name, path))
        })? {
            if !is_valid_path(&path, self.image.store_dir) {
                return Err(self.image.invalid(format!("`{path}` is not a store path")));
            }
            if let Some(record) = records.get_mut(known(derivation)?) {
                record.outputs.insert(name, path);
            }
        }
        Ok(records)
    }

    /// The rows of a query.
    fn each<T>(
        &self,
        query: &str,
        limit: usize,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let failed = |source| self.image.failed(source);
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut all = vec![];
        while let Some(row) = rows.next().map_err(failed)? {
            if all.len() == limit {
                let why = format!("a table has more than {limit} rows");
                return Err(self.image.invalid(why));
            }
            all.push(read(row).map_err(failed)?);
        }
        Ok(all)
    }

    /// Checks what a row says of a path: path, hash, signatures, content address; and size.
    fn record(
        &self,
        texts: [Option<String>; 4],
        size: Option<i64>,
    ) -> Result<(String, Record), Error> {
        let [path, hash, signatures, address] = texts;
        let path = path.unwrap_or_default();
        let invalid = |why: String| Err(self.image.invalid(why));
        if !is_valid_path(&path, self.image.store_dir) {
            let shown: String = path.chars().take(100).collect();
            return invalid(format!("`{shown}` is not a store path"));
        }
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_TEXT);
        if [&hash, &signatures, &address].into_iter().any(long) {
            return invalid(format!(
                "`{path}` has more than {MAX_TEXT} bytes in a column"
            ));
        }
        let registration = Registration::of_columns(&path, hash, signatures, address)
            .map_err(|fault| self.image.invalid(fault.to_string()))?;
        let Some(nar_hash) = registration.nar_hash else {
            return invalid(format!("`{path}` has no hash"));
        };
        let record = Record {
            nar_hash,
            nar_size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            references: BTreeSet::new(),
            signatures: registration.signatures,
            content_address: registration.content_address,
            outputs: BTreeMap::new(),
        };
        Ok((path, record))
    }
}

#[cfg(test)]
mod tests {
    use terrine_oci::Digest;

    use super::super::write;
    use super::*;

    const A: &str = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-a";
    const B: &str = "/nix/store/8yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-b.drv";

    fn records() -> Records {
        let record = |references: &[&str]| Record {
            nar_hash: Digest::of(b"x"),
            nar_size: 120,
            references: references.iter().map(ToString::to_string).collect(),
            signatures: BTreeSet::from(["k-1:x".to_owned(), "k-2:y".to_owned()]),
            content_address: Some("text:sha256:0".to_owned()),
            outputs: BTreeMap::from([("out".to_owned(), A.to_owned())]),
        };
        Records::from([(A.to_owned(), record(&[])), (B.to_owned(), record(&[A, B]))])
    }

    fn read(file: &[u8], beside: &[(&str, Vec<u8>)]) -> Result<Records, Error> {
        super::read(&Image {
            name: "base",
            store_dir: "/nix/store",
            file,
            beside,
        })
    }

    /// The files of the database after SQL, with a log that was never moved into it.
    fn changed(sql: &str) -> (Vec<u8>, Option<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db.sqlite");
        fs::write(&file, write(&records()).unwrap()).unwrap();
        let connection = Connection::open(&file).unwrap();
        connection
            .set_db_config(
                rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                true,
            )
            .unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let log = fs::read(folder.path().join("db.sqlite-wal")).ok();
        (fs::read(file).unwrap(), log)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = write(&records()).unwrap();
        assert_eq!(read(&bytes, &[]).unwrap(), records());
        assert_eq!(read(&bytes, &[("-wal", vec![])]).unwrap(), records());
    }

    #[test]
    fn what_is_in_the_log_alone_is_read() {
        let delete =
            "PRAGMA journal_mode = WAL; DELETE FROM Refs; DELETE FROM ValidPaths WHERE id = 2;";
        let (file, log) = changed(delete);
        let log = log.unwrap();
        assert!(!log.is_empty());
        assert_eq!(read(&file, &[("-wal", log)]).unwrap().len(), 1);
        // Without it, it is as it was.
        assert_eq!(read(&file, &[]).unwrap(), records());
    }

    #[test]
    fn what_nix_does_not_write_is_refused() {
        for (sql, why) in [
            (
                "UPDATE ValidPaths SET path = '/etc/passwd' WHERE id = 1",
                "is not a store path",
            ),
            (
                "UPDATE ValidPaths SET hash = 'md5:x' WHERE id = 1",
                "NAR hash `md5:x`",
            ),
            (
                "UPDATE ValidPaths SET sigs = 'key' WHERE id = 1",
                "signatures",
            ),
            (
                "UPDATE DerivationOutputs SET path = 'x'",
                "`x` is not a store path",
            ),
            (
                "INSERT INTO Refs VALUES (1, 77)",
                "no path has the number 77",
            ),
            ("DROP TABLE Refs", "it has no table `Refs`"),
            // What is not in the file can be as long as it likes.
            (
                "ALTER TABLE ValidPaths ADD COLUMN x TEXT GENERATED ALWAYS AS (printf('%.*c', 900000000, 'x')) VIRTUAL",
                "it has no table `ValidPaths`",
            ),
            (
                "DROP TABLE Refs; CREATE VIEW Refs AS SELECT 1 AS referrer, 1 AS reference",
                "it has no table `Refs`",
            ),
        ] {
            let (file, _) = changed(&format!("PRAGMA foreign_keys = OFF; {sql};"));
            let error = read(&file, &[]).unwrap_err().to_string();
            assert!(
                error.starts_with("the Nix database of `base` cannot be used"),
                "{error}"
            );
            assert!(error.contains(why), "{sql}: {error}");
        }
        for file in [&b""[..], b"SQLite format 3\0", &[7; 8192]] {
            assert!(read(file, &[]).is_err());
        }
        let mut broken = write(&records()).unwrap();
        broken[4096..].fill(0xff);
        assert!(matches!(read(&broken, &[]), Err(Error::Read { .. })));
    }
}
