//! The bytes of a database.

use std::collections::BTreeMap;

use rusqlite::{Connection, MAIN_DB, params};

use super::{Error, Records};

/// The time at which every path was registered, in seconds since 1970.
const REGISTRATION_TIME: i64 = 1;

/// The tables of Nix since 2.36: without the index of referrers, which the key of `Refs` is
/// already, and with the note that it is gone. Older versions take both.
const TABLES: &str = "
    CREATE TABLE ValidPaths (
        id               integer primary key autoincrement not null,
        path             text unique not null,
        hash             text not null,
        registrationTime integer not null,
        deriver          text,
        narSize          integer,
        ultimate         integer,
        sigs             text,
        ca               text
    );
    CREATE TABLE Refs (
        referrer  integer not null,
        reference integer not null,
        primary key (referrer, reference),
        foreign key (referrer) references ValidPaths(id) on delete cascade,
        foreign key (reference) references ValidPaths(id) on delete restrict
    );
    CREATE INDEX IndexReference ON Refs(reference);
    CREATE TRIGGER DeleteSelfRefs BEFORE DELETE ON ValidPaths
      BEGIN
        DELETE FROM Refs WHERE referrer = old.id AND reference = old.id;
      END;
    CREATE TABLE DerivationOutputs (
        drv  integer not null,
        id   text not null,
        path text not null,
        primary key (drv, id),
        foreign key (drv) references ValidPaths(id) on delete cascade
    );
    CREATE INDEX IndexDerivationOutputs ON DerivationOutputs(path);
    CREATE TABLE SchemaMigrations (migration text primary key not null);
    INSERT INTO SchemaMigrations VALUES ('20260309-drop-redundant-indexreferrer');
";

const PATH: &str = "INSERT INTO ValidPaths (id, path, hash, registrationTime, narSize, sigs, ca)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const REFERENCE: &str = "INSERT INTO Refs (referrer, reference) VALUES (?1, ?2)";
const OUTPUT: &str = "INSERT INTO DerivationOutputs (drv, id, path) VALUES (?1, ?2, ?3)";

/// Fields of the header that tell of the file's past: what is at an offset, and what is written
/// there (SQLite documentation, "Database File Format"). The versions of the format say that there
/// is no write-ahead log, change counters start at 1, and the version of SQLite is a constant.
const HEADER: [(usize, [u8; 4]); 3] = [
    (24, 1_u32.to_be_bytes()),
    (92, 1_u32.to_be_bytes()),
    (96, 3_040_000_u32.to_be_bytes()),
];
const FORMAT_VERSIONS: std::ops::Range<usize> = 18..20;

/// Writes the database of some paths: with ids from 1 in the order of the paths, and compact.
///
/// # Errors
///
/// A reference to a path without a record, and what SQLite refuses.
pub fn write(records: &Records) -> Result<Vec<u8>, Error> {
    let ids: BTreeMap<&str, i64> = records.keys().map(String::as_str).zip(1..).collect();
    for (path, record) in records {
        let missing = |reference: &&String| !ids.contains_key(reference.as_str());
        if let Some(reference) = record.references.iter().find(missing) {
            return Err(Error::MissingReference {
                path: path.clone(),
                reference: reference.clone(),
            });
        }
    }
    let mut bytes = serialize(records, &ids).map_err(Error::Write)?;
    bytes[FORMAT_VERSIONS].fill(1);
    for (offset, value) in HEADER {
        bytes[offset..offset + value.len()].copy_from_slice(&value);
    }
    Ok(bytes)
}

fn serialize(records: &Records, ids: &BTreeMap<&str, i64>) -> rusqlite::Result<Vec<u8>> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = NONE; PRAGMA encoding = 'UTF-8';
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;",
    )?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    {
        let mut path = transaction.prepare(PATH)?;
        let mut output = transaction.prepare(OUTPUT)?;
        for ((name, record), id) in records.iter().zip(1_i64..) {
            let signatures: Vec<&str> = record.signatures.iter().map(String::as_str).collect();
            // What is not known is null, as Nix writes it.
            let signatures = (!signatures.is_empty()).then(|| signatures.join(" "));
            let size = i64::try_from(record.nar_size).ok().filter(|&size| size > 0);
            path.execute(params![
                id,
                name,
                record.nar_hash.to_string(),
                REGISTRATION_TIME,
                size,
                signatures,
                record.content_address,
            ])?;
            for (name, path) in &record.outputs {
                output.execute(params![id, name, path])?;
            }
        }
        let mut reference = transaction.prepare(REFERENCE)?;
        for (record, referrer) in records.values().zip(1_i64..) {
            for id in record
                .references
                .iter()
                .filter_map(|path| ids.get(path.as_str()))
            {
                reference.execute([referrer, *id])?;
            }
        }
    }
    transaction.commit()?;
    connection.execute_batch("VACUUM")?;
    Ok(connection.serialize(MAIN_DB)?.to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use terrine_oci::Digest;

    use super::super::Record;
    use super::*;

    fn record(references: &[&str]) -> Record {
        Record {
            nar_hash: Digest::of(references.concat().as_bytes()),
            nar_size: 120,
            references: references.iter().map(ToString::to_string).collect(),
            signatures: BTreeSet::new(),
            content_address: None,
            outputs: BTreeMap::new(),
        }
    }

    fn some() -> Records {
        let (a, b, drv) = ("/nix/store/a", "/nix/store/b", "/nix/store/b.drv");
        let mut records = Records::from([
            (b.to_owned(), record(&[a, b])),
            (a.to_owned(), record(&[])),
            (drv.to_owned(), record(&[])),
        ]);
        if let Some(a) = records.get_mut(a) {
            a.signatures = BTreeSet::from(["k-2:y".to_owned(), "k-1:x".to_owned()]);
            a.content_address = Some("fixed:r:sha256:0".to_owned());
        }
        if let Some(drv) = records.get_mut(drv) {
            drv.outputs = BTreeMap::from([("out".to_owned(), b.to_owned())]);
        }
        records
    }

    /// Pinned: a version of SQLite that makes other bytes of the same records changes the digest
    /// of every image with a database. Then the change log says so.
    #[test]
    fn the_bytes_are_pinned() {
        let bytes = write(&some()).unwrap();
        assert_eq!(bytes, write(&some()).unwrap());
        assert_eq!(
            Digest::of(&bytes).hex(),
            "8f9e82faa6888b9fdec9dd96cc8cce214d99d371485db430c0330fb1f210fe59"
        );
        assert_eq!(&bytes[..16], b"SQLite format 3\0");
        assert_eq!(bytes[16..20], [16, 0, 1, 1], "pages of 4096 bytes, no log");
        assert_eq!(bytes[24..28], [0, 0, 0, 1]);
        assert_eq!(bytes[92..96], [0, 0, 0, 1]);
        assert_eq!(bytes[96..100], 3_040_000_u32.to_be_bytes());
        assert_eq!(bytes.len() % 4096, 0);
    }

    #[test]
    fn the_size_does_not_depend_on_the_hashes() {
        let mut other = some();
        for record in other.values_mut() {
            record.nar_hash = Digest::of(b"another");
        }
        let (one, other) = (write(&some()).unwrap(), write(&other).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), other.len());
    }

    #[test]
    fn a_reference_to_what_is_not_registered_is_an_error() {
        let records = Records::from([("a".to_owned(), record(&["b"]))]);
        let error = write(&records).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a` refers to `b`, which is not registered"
        );
    }
}
