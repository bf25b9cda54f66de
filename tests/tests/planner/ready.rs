//! The built-in planner is compiled when the program is built. Where that code does not fit, a run compiles it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_tests::{Archive, ConfFile, Run, TestStore, temporary};

/// The address space of a run, in KiB. With so little, memories need code that checks bounds itself, which is not the
/// code that the build makes.
const SCARCE: &str = "2000000";

/// An image, and the same bytes of it for every run.
struct Place {
    store: TestStore,
    expected: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let store = TestStore::default();
        store.file("app/bin/app", b"app");
        let expected = ConfFile::new(&store, &[&["app"]]).run().ok().stdout;
        Archive::read(expected.clone());
        Self { store, expected }
    }

    fn command(&self, cache: &Path) -> Command {
        let mut command = ConfFile::new(&self.store, &[&["app"]]).command();
        command.env("XDG_CACHE_HOME", cache);
        command
    }

    /// Streams the image. The planner's code fits.
    fn run(&self, cache: &Path) {
        self.check(&mut self.command(cache));
    }

    /// Streams the image. The planner's code does not fit.
    fn run_in_little_space(&self, cache: &Path) {
        let command = self.command(cache);
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", r#"ulimit -v "$0"; exec "$@""#, SCARCE])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        self.check(&mut shell);
    }

    fn check(&self, command: &mut Command) {
        let run = Run::of(command).ok();
        assert!(run.stdout == self.expected, "other bytes: {command:?}");
    }
}

/// Returns the files of compiled planners in a cache.
fn planners(cache: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut directories = vec![cache.join("terrine/planner")];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(directory).into_iter().flatten();
        for entry in entries {
            let path = entry.unwrap().path();
            let list = if path.is_dir() {
                &mut directories
            } else {
                &mut found
            };
            list.push(path);
        }
    }
    found
}

#[test]
fn a_first_run_compiles_nothing() {
    let (place, cache) = (Place::new(), temporary());
    place.run(cache.path());
    // What a run compiles, it keeps.
    assert_eq!(planners(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn code_that_does_not_fit_is_compiled_and_kept() {
    let (place, cache) = (Place::new(), temporary());
    place.run_in_little_space(cache.path());
    let kept = planners(cache.path());
    assert!(!kept.is_empty());
    // A cache that was tampered with is not believed, and not fatal.
    for file in &kept {
        fs::write(file, b"not what it was").unwrap();
    }
    place.run_in_little_space(cache.path());
}

#[test]
fn no_cache_is_needed() {
    let place = Place::new();
    // Below a file, where nobody can make a directory, and not absolute.
    let file = place.store.root().join("conf.json");
    for cache in [&file, Path::new("relative"), Path::new("/proc/nothing")] {
        place.run(cache);
        place.run_in_little_space(cache);
    }
}
