//! Databases that somebody else wrote: only their tables are read, and not for ever.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};

/// How many steps of SQLite's machine are done before they are counted.
const STEPS: i32 = 1_000_000;
/// How often they are counted: so many millions of steps are a minute or less, and a closure of 100,000 paths takes
/// some tens of them.
const MILLIONS: u32 = 4_000;

/// Lets nothing of a schema run: no view, no trigger, no function that writes; and no query without end.
///
/// # Errors
///
/// A setting that SQLite does not take.
pub(crate) fn restrict(connection: &mut Connection) -> rusqlite::Result<()> {
    restrict_to(connection, MILLIONS)
}

fn restrict_to(connection: &mut Connection, millions: u32) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for off in [
        DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
    ] {
        connection.set_db_config(off, false)?;
    }
    let mut counted = 0;
    connection.progress_handler(
        STEPS,
        Some(move || {
            counted += 1;
            counted > millions
        }),
    )
}

/// Returns whether a table is one, and not a view or something that a module makes up.
///
/// # Errors
///
/// A database that cannot be read.
pub(crate) fn is_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT 1 FROM sqlite_schema WHERE name = ?1 AND type = 'table' AND rootpage > 0";
    let found: Option<i64> = connection
        .query_row(query, [name], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_are_tables_and_queries_end() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (x); CREATE VIEW v AS SELECT 1 AS x")
            .unwrap();
        restrict_to(&mut connection, 3).unwrap();
        assert!(is_table(&connection, "t").unwrap());
        assert!(!is_table(&connection, "v").unwrap());
        assert!(!is_table(&connection, "missing").unwrap());
        assert!(connection.prepare("SELECT x FROM v").is_err());
        let forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let error = connection
            .query_row(forever, [], |row| row.get::<_, i64>(0))
            .unwrap_err();
        let interrupted = Some(rusqlite::ErrorCode::OperationInterrupted);
        assert_eq!(error.sqlite_error_code(), interrupted);
    }
}
