//! Programs that the tests compare terrine with.

use std::path::PathBuf;

/// Returns the path of a program, or nothing, said aloud, where it is not installed. With
/// `TERRINE_REQUIRE_PEERS=1` a missing program is a failure.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Daemons are often outside an ordinary user's path.
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        missing(&format!("`{name}` is not installed"));
    }
    found
}

/// Returns the path of a program that `.ci/run` installs below `target/peers`, or nothing, said aloud,
/// where it has not.
pub fn installed(path: &str) -> Option<PathBuf> {
    let file = crate::workspace().join("target/peers").join(path);
    if file.exists() {
        return Some(file);
    }
    missing(&format!(
        "`{}` is not there; `.ci/run` installs it",
        file.display()
    ));
    None
}

/// Says that a check is skipped, or fails where none may be.
pub fn missing(why: &str) {
    assert!(
        std::env::var_os("TERRINE_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "{why}"
    );
    skipped(why);
}

/// Says that a check is skipped which this machine has no place for.
#[allow(clippy::print_stderr, reason = "a skipped check is said aloud")]
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
