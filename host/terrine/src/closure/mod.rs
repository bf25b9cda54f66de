//! The sources of paths: graphs of store paths, and what they refer to.
//!
//! A [`Graph`] is read from what Nix and Guix write about closures ([`read`], [`parse`]),
//! or from the database of a store that is in use ([`Database`]). Which paths a
//! configuration needs is told by the text that [mentions] them.

mod database;
mod directory;
mod error;
mod graph;
mod json;
mod mention;
mod nar_hashes;
mod path;
mod registered;
mod registration;

use std::fs;
use std::path::Path;

use terrine_support::file::{self, FileError};

pub use database::Database;
pub use directory::size;
pub use error::{Error, Fault};
pub use graph::{Graph, GraphEntry, Node};
pub use mention::{Mentions, Names, mentions};
pub use nar_hashes::NarHashes;
use registered::Unchecked;
pub use registered::{Registration, Registrations, merge};

/// The largest file that is read, in bytes. 100,000 store paths with all of their
/// references make some 100 MB.
const MAX_SIZE: u64 = 256 << 20;

/// Reads a graph from what is at `path`, whatever its form:
///
/// - the output of `nix path-info --json --recursive`, in each of the forms it has had;
/// - a graph that Nix exports to a derivation (`exportReferencesGraph`): the array, the
///   `.attrs.json` around it, or the text that derivations without structured attributes get;
/// - a folder that Nixpkgs' `closureInfo` made, or the `registration` in it.
///
/// The form is told by what is in the file, not by its name. Each path has to be
/// directly below `store_dir`.
///
/// # Errors
///
/// A file that cannot be read or has more than 256 MiB, and a [`Fault`] in what it says.
pub fn read(path: &Path, store_dir: &str) -> Result<Graph, Error> {
    graph(described_at(path, store_dir)?).map_err(|fault| Error::fault(path, fault))
}

/// Reads a graph as [`read`] does, and the NAR hashes of its paths.
///
/// # Errors
///
/// As [`read`].
pub fn read_hashed(path: &Path, store_dir: &str) -> Result<(Graph, NarHashes), Error> {
    let described = described_at(path, store_dir)?;
    let hashes = NarHashes::of(&described);
    let graph = graph(described).map_err(|fault| Error::fault(path, fault))?;
    Ok((graph, hashes))
}

/// Reads a graph as [`read`] does, and what is said of its paths beside.
///
/// # Errors
///
/// As [`read`], and a hash, a signature or a content address that is none.
pub fn read_registered(path: &Path, store_dir: &str) -> Result<(Graph, Registrations), Error> {
    let failed = |fault| Error::fault(path, fault);
    let described = described_at(path, store_dir)?;
    let registrations = registrations(&described).map_err(failed)?;
    Ok((graph(described).map_err(failed)?, registrations))
}

/// Reads a graph from text, in any form that [`read`] takes from a file.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse(text: &[u8], store_dir: &str) -> Result<Graph, Fault> {
    graph(described(text, store_dir)?)
}

/// A path of a graph, and what is said of it beside.
#[derive(Debug)]
struct Described {
    entry: GraphEntry,
    said: Unchecked,
}

fn graph(described: Vec<Described>) -> Result<Graph, Fault> {
    Graph::build(
        described
            .into_iter()
            .map(|described| described.entry)
            .collect(),
    )
}

fn registrations(described: &[Described]) -> Result<Registrations, Fault> {
    let mut all = Registrations::new();
    for Described { entry, said } in described {
        let registration = said.check(&entry.path, entry.size)?;
        registered::add(&mut all, &entry.path, registration)?;
    }
    Ok(all)
}

fn described_at(path: &Path, store_dir: &str) -> Result<Vec<Described>, Error> {
    if fs::metadata(path).map_err(FileError::io(path))?.is_dir() {
        registration::read_folder(path, store_dir)
    } else {
        let text = file::read(path, MAX_SIZE)?;
        described(&text, store_dir).map_err(|fault| Error::fault(path, fault))
    }
}

fn described(text: &[u8], store_dir: &str) -> Result<Vec<Described>, Fault> {
    let text = std::str::from_utf8(text).map_err(|error| Fault::NotUtf8(error.valid_up_to()))?;
    match text.trim_ascii_start().bytes().next() {
        Some(b'[' | b'{') => json::parse(text, store_dir),
        Some(b'/') => registration::parse(text, store_dir),
        Some(_) => Err(Fault::UnknownForm),
        None => Err(Fault::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_told_by_the_content() {
        for text in [
            r#" [{"path": "/nix/store/a", "references": []}]"#,
            "\n{\"/nix/store/a\": {\"references\": []}}",
            "/nix/store/a\n\n0\n",
        ] {
            let graph = parse(text.as_bytes(), "/nix/store").unwrap();
            assert_eq!(graph.nodes().len(), 1, "{text}");
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("registration.json");
            fs::write(&file, text).unwrap();
            assert_eq!(read(&file, "/nix/store").unwrap(), graph, "{text}");
        }
    }

    #[test]
    fn what_has_no_known_form_is_refused() {
        for (text, fault) in [
            (&b""[..], Fault::Empty),
            (b" \n", Fault::Empty),
            (b"SQLite format 3\0", Fault::UnknownForm),
            (b"nix/store/a", Fault::UnknownForm),
            (b"\"/nix/store/a\"", Fault::UnknownForm),
            (b"[\xff]", Fault::NotUtf8(1)),
        ] {
            assert_eq!(
                parse(text, "/nix/store"),
                Err(fault),
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("missing");
        let error = read(&file, "/nix/store").unwrap_err();
        assert_eq!(error.to_string(), format!("reading `{}`", file.display()));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        fs::File::create(&path)
            .unwrap()
            .set_len(MAX_SIZE + 1)
            .unwrap();
        assert!(matches!(
            read(&path, "/nix/store"),
            Err(Error::File(FileError::TooLarge { .. }))
        ));
    }
}
