use std::os::unix::ffi::OsStrExt;

use terrine_support::hint::Hint;

use super::*;

/// The tables that matter, as Nix 2.8 makes them.
const SCHEMA: &str = "
    CREATE TABLE ValidPaths (
        id integer primary key autoincrement not null, path text unique not null,
        hash text not null, registrationTime integer not null, deriver text,
        narSize integer, ultimate integer, sigs text, ca text);
    CREATE TABLE Refs (
        referrer integer not null, reference integer not null,
        primary key (referrer, reference),
        foreign key (referrer) references ValidPaths(id) on delete cascade,
        foreign key (reference) references ValidPaths(id) on delete restrict);
    CREATE INDEX IndexReferrer on Refs(referrer);
    CREATE INDEX IndexReference on Refs(reference);";

/// d refers to b and c, c to itself and a, b to a. The size of b is not known.
const PATHS: &str = "
    INSERT INTO ValidPaths (path, hash, registrationTime, narSize) VALUES
        ('/nix/store/d', 'sha256:0', 1, 40), ('/nix/store/c', 'sha256:0', 1, 30),
        ('/nix/store/b', 'sha256:0', 1, NULL), ('/nix/store/a', 'sha256:0', 1, 10),
        ('/nix/store/e', 'sha256:0', 1, 50);
    INSERT INTO Refs VALUES (1, 3), (1, 2), (2, 2), (2, 4), (3, 4);";

struct Fixture {
    folder: tempfile::TempDir,
    writer: Connection,
}

impl Fixture {
    fn new(mode: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("ö %?#").tempdir().unwrap();
        let writer = Connection::open(folder.path().join("db.sqlite")).unwrap();
        writer.pragma_update(None, "journal_mode", mode).unwrap();
        writer.execute_batch(SCHEMA).unwrap();
        writer.execute_batch(PATHS).unwrap();
        Self { folder, writer }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("db.sqlite")
    }

    fn open(&self) -> Database {
        Database::open(&self.file()).unwrap()
    }

    /// Closes the writer's connection, which empties the log, and puts a folder where
    /// SQLite has to write to: even root is kept from that.
    fn keep_from_writing(self) -> tempfile::TempDir {
        self.writer.close().unwrap();
        fs::create_dir(self.folder.path().join("db.sqlite-shm")).unwrap();
        fs::create_dir(self.folder.path().join("db.sqlite-wal")).unwrap();
        self.folder
    }
}

fn names(database: &Database, roots: &[&str]) -> Result<Vec<String>, Error> {
    let roots: Vec<String> = roots
        .iter()
        .map(|root| format!("/nix/store/{root}"))
        .collect();
    let graph = database.closure(&roots)?;
    Ok(graph
        .nodes()
        .iter()
        .map(|node| node.path["/nix/store/".len()..].to_owned())
        .collect())
}

#[test]
fn the_closure_of_the_roots_is_read() {
    let database = Fixture::new("wal").open();
    for (roots, expected) in [
        (&["d"][..], &["a", "b", "c", "d"][..]),
        (&["b"], &["a", "b"]),
        (&["c/"], &["a", "c"]),
        (&["e", "b", "e"], &["a", "b", "e"]),
        (&[], &[]),
    ] {
        assert_eq!(names(&database, roots).unwrap(), expected, "{roots:?}");
    }
    let graph = database.closure(&["/nix/store/d".to_owned()]).unwrap();
    let nodes = graph
        .nodes()
        .iter()
        .map(|node| (node.size, &node.references[..]));
    let expected = [(10, &[][..]), (0, &[0]), (30, &[0, 2]), (40, &[1, 2])];
    assert_eq!(nodes.collect::<Vec<_>>(), expected);
}

#[test]
fn paths_are_known_by_their_whole_name() {
    let database = Fixture::new("wal").open();
    for (path, expected) in [
        ("/nix/store/a", true),
        ("/nix/store/", false),
        ("/nix/store/A", false),
    ] {
        assert_eq!(database.contains(path).unwrap(), expected, "{path}");
    }
    let mentions = super::super::mentions("x=/nix/store/a.", "/nix/store", &database).unwrap();
    assert_eq!(mentions.known, ["/nix/store/a"]);
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let fixture = Fixture::new("wal");
    let error = names(&fixture.open(), &["a", "x"]).unwrap_err();
    let message = format!(
        "`/nix/store/x` is not in the store's database `{}`",
        fixture.file().display()
    );
    assert_eq!(
        (error.to_string(), error.hint().as_deref()),
        (message, Some("build or fetch the path first"))
    );
}

#[test]
fn one_moment_is_read_while_another_writes() {
    for mode in ["wal", "delete"] {
        let fixture = Fixture::new(mode);
        fixture
            .writer
            .execute_batch("BEGIN IMMEDIATE; DELETE FROM Refs WHERE referrer = 1")
            .unwrap();
        let database = fixture.open();
        assert!(!database.immutable);
        if mode == "wal" {
            fixture.writer.execute_batch("COMMIT").unwrap();
        }
        assert_eq!(
            names(&database, &["d"]).unwrap(),
            ["a", "b", "c", "d"],
            "{mode}"
        );
        drop(database);
        if mode != "wal" {
            fixture.writer.execute_batch("COMMIT").unwrap();
        }
        assert_eq!(names(&fixture.open(), &["d"]).unwrap(), ["d"], "{mode}");
    }
}

#[test]
fn a_database_that_cannot_be_locked_is_read_all_the_same() {
    let folder = Fixture::new("wal").keep_from_writing();
    let file = folder.path().join("db.sqlite");
    let before = fs::read(&file).unwrap();
    let database = Database::open(&file).unwrap();
    assert!(database.immutable);
    assert_eq!(names(&database, &["d"]).unwrap(), ["a", "b", "c", "d"]);
    let error = names(&database, &["x"]).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("the latest changes"), "{hint}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn opening_changes_no_byte() {
    let fixture = Fixture::new("wal");
    let (folder, writer) = (fixture.folder, fixture.writer);
    writer.close().unwrap();
    let before = fs::read(folder.path().join("db.sqlite")).unwrap();
    names(
        &Database::open(&folder.path().join("db.sqlite")).unwrap(),
        &["d"],
    )
    .unwrap();
    assert_eq!(fs::read(folder.path().join("db.sqlite")).unwrap(), before);
}

#[test]
fn what_is_not_the_database_of_a_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let why = |name: &str| match Database::open(&folder.path().join(name)) {
        Err(Error::NotADatabase { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    fs::write(
        folder.path().join("text"),
        "not a database, but long enough for a header".repeat(50),
    )
    .unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let other = Connection::open(folder.path().join("other")).unwrap();
    other
        .execute_batch("CREATE TABLE ValidPaths (id integer primary key, path, narSize)")
        .unwrap();
    assert_eq!(why("text"), "it is not an SQLite database");
    assert_eq!(why("empty"), "it has no table `ValidPaths`");
    assert_eq!(why("other"), "it has no table `Refs`");
    other
        .execute_batch("CREATE TABLE Refs (referrer, other)")
        .unwrap();
    assert_eq!(why("other"), "its table `Refs` has other columns");
    // A view can be a query without end.
    let views = Connection::open(folder.path().join("views")).unwrap();
    views
        .execute_batch(
            "CREATE TABLE Refs (referrer, reference);
             CREATE VIEW ValidPaths AS WITH RECURSIVE n(i) AS
                 (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                 SELECT i AS id, '/nix/store/x' AS path, 1 AS narSize FROM n",
        )
        .unwrap();
    assert_eq!(why("views"), "it has no table `ValidPaths`");
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(why("fifo"), "it is not a regular file");
    }
    assert_eq!(why(""), "it is a folder");
    let missing = folder.path().join("missing");
    assert!(matches!(
        Database::open(&missing),
        Err(Error::File(FileError::Io { .. }))
    ));
    assert!(!missing.exists());
}

#[test]
fn a_truncated_database_is_an_error_unless_nothing_of_it_is_needed() {
    let fixture = Fixture::new("delete");
    let bytes = fs::read(fixture.file()).unwrap();
    let file = fixture.folder.path().join("truncated");
    for length in (1..bytes.len()).step_by(500) {
        fs::write(&file, &bytes[..length]).unwrap();
        match Database::open(&file).and_then(|database| names(&database, &["d"])) {
            Ok(paths) => {
                assert!(length > bytes.len() / 2, "{length}");
                assert_eq!(paths, ["a", "b", "c", "d"], "{length}");
            }
            Err(error) => assert!(!matches!(error, Error::Fault { .. }), "{length}: {error:?}"),
        }
    }
}

#[test]
fn what_the_database_should_not_say_is_refused() {
    for (change, message) in [
        (
            "UPDATE ValidPaths SET narSize = -1 WHERE id = 4",
            "`/nix/store/a` has the size -1, which is not a number of bytes",
        ),
        (
            "PRAGMA foreign_keys = OFF; INSERT INTO Refs VALUES (4, 99)",
            "`/nix/store/a` refers to `number 99`, which is missing",
        ),
    ] {
        let fixture = Fixture::new("wal");
        fixture.writer.execute_batch(change).unwrap();
        match names(&fixture.open(), &["d"]) {
            Err(Error::Fault { fault, .. }) => assert_eq!(fault.to_string(), message),
            other => panic!("{other:?}"),
        }
    }
    for change in [
        "UPDATE ValidPaths SET narSize = 'x'",
        "UPDATE ValidPaths SET narSize = 1.5",
    ] {
        let fixture = Fixture::new("wal");
        fixture.writer.execute_batch(change).unwrap();
        assert!(
            matches!(names(&fixture.open(), &["d"]), Err(Error::Database { .. })),
            "{change}"
        );
    }
}

#[test]
fn no_query_reads_a_whole_table() {
    let fixture = Fixture::new("wal");
    for query in [BY_PATH, BY_ID, REFERENCES] {
        let mut statement = fixture
            .writer
            .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
            .unwrap();
        let plan = statement
            .query_map([rusqlite::types::Null], |row| row.get::<_, String>(3))
            .unwrap();
        for step in plan {
            assert!(step.unwrap().starts_with("SEARCH"), "{query}");
        }
    }
}

#[test]
fn databases_have_their_usual_places() {
    for (store_dir, root, expected) in [
        ("/nix/store", "/", "/nix/var/nix/db/db.sqlite"),
        ("/nix/store/", "/mnt", "/mnt/nix/var/nix/db/db.sqlite"),
        ("/gnu/store", "/mnt", "/mnt/var/guix/db/db.sqlite"),
        ("/opt/x/store", "/", "/opt/x/var/nix/db/db.sqlite"),
        ("/store", "/mnt", "/mnt/var/nix/db/db.sqlite"),
        ("/", "/mnt", "/mnt/var/nix/db/db.sqlite"),
    ] {
        assert_eq!(
            Database::default_path(store_dir, Path::new(root)),
            Path::new(expected),
            "{store_dir}"
        );
    }
}

#[test]
fn the_path_of_the_database_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"a%2f?mode=rwc#\xff"));
    let fixture = Fixture::new("delete");
    fs::copy(fixture.file(), &file).unwrap();
    for connection in [connect(&file, OpenFlags::empty()), immutable(&file)] {
        let count = connection
            .unwrap()
            .query_row("SELECT count(*) FROM ValidPaths", [], |row| row.get(0));
        assert_eq!(count, Ok(5_i64));
    }
}

#[test]
fn nar_hashes_are_all_told_or_none() {
    let fixture = Fixture::new("delete");
    let paths = ["/nix/store/a", "/nix/store/elsewhere", "/nix/store/b"];
    let hash = "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic";
    let set = |path: &str, hash: &dyn rusqlite::ToSql| {
        let update = "UPDATE ValidPaths SET hash = ?1 WHERE path = ?2";
        fixture.writer.execute(update, (hash, path)).unwrap();
    };
    set("/nix/store/a", &hash);
    let told = fixture.open().nar_hashes(paths).unwrap();
    assert!(told.get(paths[0]).is_some());
    assert_eq!(
        paths.map(|path| told.get(path).is_some()),
        [true, false, false]
    );
    set("/nix/store/b", &vec![0_u8; 3]);
    let error = fixture.open().nar_hashes(paths).unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
}
