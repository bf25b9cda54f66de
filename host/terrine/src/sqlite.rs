//! Databases that somebody else wrote: only their tables are read, and not for ever.

use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OptionalExtension};

/// The steps of SQLite's machine that are done before the clock is looked at.
const STEPS: i32 = 10_000;
/// The time for which a database may be read. One of 100,000 paths takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest text that is made or read, in bytes.
const MAX_LENGTH: i32 = 1 << 20;

/// Lets nothing of a schema run: no view, no trigger, no function that writes; and no query without end.
///
/// # Errors
///
/// A setting that SQLite does not take.
pub(crate) fn restrict(connection: &mut Connection) -> rusqlite::Result<()> {
    restrict_to(connection, PATIENCE)
}

fn restrict_to(connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for off in [
        DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
    ] {
        connection.set_db_config(off, false)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH)?;
    let start = Instant::now();
    connection.progress_handler(STEPS, Some(move || start.elapsed() > patience))
}

/// Returns whether a table is one, and not a view or something that a module makes up; and whether what its columns
/// hold is in it, and not computed.
///
/// # Errors
///
/// A database that cannot be read.
pub(crate) fn is_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT 1 FROM sqlite_schema WHERE name = ?1 AND type = 'table' AND rootpage > 0";
    let found: Option<i64> = connection
        .query_row(query, [name], |row| row.get(0))
        .optional()?;
    if found.is_none() {
        return Ok(false);
    }
    let computed = "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE hidden <> 0";
    let computed: i64 = connection.query_row(computed, [name], |row| row.get(0))?;
    Ok(computed == 0)
}

/// Returns whether a statement was refused because a table or a column is missing.
pub(crate) fn is_about_schema(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

/// Returns whether a database took too long, or has texts that are too long.
pub(crate) fn is_too_much(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::OperationInterrupted | ErrorCode::TooBig)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_are_tables_and_queries_end() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (x); CREATE VIEW v AS SELECT 1 AS x;
                 CREATE TABLE long (id, x TEXT GENERATED ALWAYS AS (printf('%.*c', id, 'x')) VIRTUAL);
                 INSERT INTO long VALUES (900000000)",
            )
            .unwrap();
        restrict_to(&mut connection, Duration::from_millis(100)).unwrap();
        assert!(is_table(&connection, "t").unwrap());
        for name in ["v", "long", "missing"] {
            assert!(!is_table(&connection, name).unwrap(), "{name}");
        }
        assert!(connection.prepare("SELECT x FROM v").is_err());
        let error = |query: &str| {
            let row = connection.query_row(query, [], |row| row.get::<_, i64>(0));
            row.unwrap_err()
        };
        assert!(is_too_much(&error("SELECT length(x) FROM long")));
        let forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        assert!(is_too_much(&error(forever)));
    }
}
