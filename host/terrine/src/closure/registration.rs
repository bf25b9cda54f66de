//! Registrations: store paths line by line, as `nix-store --load-db` reads them.

use std::path::Path;
use std::str::Lines;

use terrine_support::file::{self, FileError};

use super::registered::Unchecked;
use super::{Described, Error, Fault, GraphEntry, MAX_SIZE, path};

/// The number of characters of a line that an error shows.
const SHOWN: usize = 100;

/// Reads a folder that Nixpkgs' `closureInfo` made. Its `store-paths` may be missing.
///
/// # Errors
///
/// A folder without `registration`, and a `store-paths` that names others than that.
pub(super) fn read_folder(folder: &Path, store_dir: &str) -> Result<Vec<Described>, Error> {
    let failed = |fault| Error::fault(folder, fault);
    let text =
        optional(&folder.join("registration"))?.ok_or_else(|| failed(Fault::NoRegistration))?;
    let entries = utf8(&text)
        .and_then(|text| parse(text, store_dir))
        .map_err(failed)?;
    if let Some(names) = optional(&folder.join("store-paths"))? {
        let names = utf8(&names).map_err(failed)?;
        check_names(names, &entries, store_dir).map_err(failed)?;
    }
    Ok(entries)
}

/// Reads a registration. Each path has the lines: path, hash and size of its NAR, deriver
/// (which may be empty), number of references, and so many references. Without structured
/// attributes `exportReferencesGraph` leaves out hash and size, which then is not known.
///
/// # Errors
///
/// A line that is not what it has to be, or missing.
pub(super) fn parse(text: &str, store_dir: &str) -> Result<Vec<Described>, Fault> {
    let mut reader = Reader {
        lines: text.lines(),
        number: 0,
    };
    let mut entries = Vec::new();
    while let Some(line) = reader.lines.next() {
        reader.number += 1;
        entries.push(reader.entry(line, store_dir)?);
    }
    Ok(entries)
}

fn optional(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match file::read(path, MAX_SIZE) {
        Err(FileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => Ok(Some(read?)),
    }
}

fn utf8(text: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(text).map_err(|error| Fault::NotUtf8(error.valid_up_to()))
}

fn check_names(names: &str, entries: &[Described], store_dir: &str) -> Result<(), Fault> {
    let known: std::collections::HashSet<&str> = entries
        .iter()
        .map(|described| described.entry.path.as_str())
        .collect();
    for name in names.lines().filter(|line| !line.is_empty()) {
        let path = path::check(name, store_dir)?;
        if !known.contains(path.as_str()) {
            return Err(Fault::NotInRegistration(path));
        }
    }
    Ok(())
}

struct Reader<'a> {
    lines: Lines<'a>,
    /// The number of the line that was read last, from 1.
    number: usize,
}

impl<'a> Reader<'a> {
    /// The entry that starts with the given line.
    fn entry(&mut self, first: &str, store_dir: &str) -> Result<Described, Fault> {
        let path = self.path(first, store_dir)?;
        let hash_or_deriver = self.next("a hash or a deriver")?;
        let mut size = 0;
        let mut said = Unchecked::default();
        if !hash_or_deriver.is_empty() && !hash_or_deriver.starts_with('/') {
            size = self.size(&path)?;
            said.hash = Some(hash_or_deriver.to_owned());
            self.next("a deriver")?;
        }
        let expected = "a number of references";
        let line = self.next(expected)?;
        let count: u64 = line.parse().map_err(|_| self.fault(expected, Some(line)))?;
        let mut references = Vec::new();
        for _ in 0..count {
            let line = self.next("a reference")?;
            references.push(self.path(line, store_dir)?);
        }
        let entry = GraphEntry {
            path,
            size,
            references,
        };
        Ok(Described { entry, said })
    }

    fn path(&self, line: &str, store_dir: &str) -> Result<String, Fault> {
        if line.starts_with('/') {
            path::check(line, store_dir)
        } else {
            Err(self.fault("a store path", Some(line)))
        }
    }

    fn size(&mut self, path: &str) -> Result<u64, Fault> {
        let line = self.next("a size")?;
        let size = line
            .parse()
            .ok()
            .filter(|&size| i64::try_from(size).is_ok());
        size.ok_or_else(|| Fault::Size {
            path: path.to_owned(),
            size: shown(line),
        })
    }

    fn next(&mut self, expected: &'static str) -> Result<&'a str, Fault> {
        self.number += 1;
        self.lines.next().ok_or_else(|| self.fault(expected, None))
    }

    fn fault(&self, expected: &'static str, found: Option<&str>) -> Fault {
        Fault::Line {
            line: self.number,
            expected,
            found: found.map(shown),
        }
    }
}

fn shown(line: &str) -> String {
    line.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::read;
    use super::*;

    /// The output of `nix-store --dump-db`.
    const DUMP: &str = "\
/nix/store/czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0
1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13
120
/nix/store/mjncbn4k33ppqpvkr09f78azjbvjz9vc-a-1.0.drv
0
/nix/store/szib0aj2ipf0lhdd1na5jf41480mqbdk-b
9bba267882bdc7820157d3436965bc8566c1461ae16898224c8b5f29aba3d6c2
504

2
/nix/store/czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0
/nix/store/szib0aj2ipf0lhdd1na5jf41480mqbdk-b
";

    fn parsed(text: &str) -> Result<Vec<GraphEntry>, String> {
        parse(text, "/nix/store")
            .map(|all| all.into_iter().map(|described| described.entry).collect())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_registration_is_read_with_and_without_hashes() {
        let [a, b] = &parsed(DUMP).unwrap()[..] else {
            panic!("two entries")
        };
        assert_eq!((a.size, b.size), (120, 504));
        assert_eq!(a.references, Vec::<String>::new());
        assert_eq!(b.references, [a.path.clone(), b.path.clone()]);
        // As `closureInfo` and as `exportReferencesGraph` without structured attributes write it.
        let jq =
            "/nix/store/a\nsha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw\n7\n\n0\n";
        assert_eq!(parsed(jq).unwrap()[0].size, 7);
        for deriver in ["", "/nix/store/a.drv"] {
            let bare = format!("/nix/store/a\n{deriver}\n1\n/nix/store/a\n/nix/store/b\n\n0");
            let entries = parsed(&bare).unwrap();
            assert_eq!(
                (entries.len(), entries[0].size, entries[0].references.len()),
                (2, 0, 1)
            );
        }
        assert_eq!(parsed(""), Ok(vec![]));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let table = [
            (
                "/nix/store/a",
                "line 2 must be a hash or a deriver, but is missing",
            ),
            (
                "/nix/store/a\nsha256:x\n1",
                "line 4 must be a deriver, but is missing",
            ),
            (
                "/nix/store/a\n\nx",
                "line 3 must be a number of references, but is `x`",
            ),
            (
                "/nix/store/a\n\n-1",
                "line 3 must be a number of references, but is `-1`",
            ),
            (
                "/nix/store/a\n\n2\n/nix/store/a",
                "line 5 must be a reference, but is missing",
            ),
            (
                "/nix/store/a\n\n18446744073709551615",
                "line 4 must be a reference, but is missing",
            ),
            (
                "/nix/store/a\n\n1\nb",
                "line 4 must be a store path, but is `b`",
            ),
            (
                "/nix/store/a\n\n0\n\n",
                "line 4 must be a store path, but is ``",
            ),
            (
                "/nix/store/a\n\n1\n/b",
                "`/b` is not a path directly below `/nix/store`",
            ),
            (
                "/nix/store/a\nh\n-1\n\n0",
                "`/nix/store/a` has the size -1, which is not a number of bytes",
            ),
            (
                "/nix/store/a\nh\n9223372036854775808\n\n0",
                "`/nix/store/a` has the size 9223372036854775808, which is not a number of bytes",
            ),
        ];
        for (text, message) in table {
            assert_eq!(parsed(text), Err(message.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn every_text_that_breaks_off_is_refused() {
        let lines: Vec<&str> = DUMP.lines().collect();
        for count in 1..lines.len() {
            assert_eq!(
                parsed(&lines[..count].join("\n")).is_ok(),
                count == 5,
                "{count} lines"
            );
        }
    }

    #[test]
    fn a_folder_is_read_and_its_files_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let read = || {
            read(folder.path(), "/nix/store").map_err(|error| match error {
                Error::Fault { fault, .. } => fault,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(read(), Err(Fault::NoRegistration));
        fs::write(folder.path().join("registration"), DUMP).unwrap();
        let graph = read().unwrap();
        assert_eq!(graph.nodes().len(), 2);
        let names = format!("{}\n{}\n", graph.nodes()[1].path, graph.nodes()[0].path);
        fs::write(folder.path().join("store-paths"), &names).unwrap();
        assert_eq!(read(), Ok(graph));
        fs::write(folder.path().join("store-paths"), names + "/nix/store/x\n").unwrap();
        assert_eq!(
            read(),
            Err(Fault::NotInRegistration("/nix/store/x".to_owned()))
        );
        // The closure of nothing.
        fs::write(folder.path().join("registration"), "").unwrap();
        fs::write(folder.path().join("store-paths"), "").unwrap();
        assert_eq!(read().unwrap().nodes().len(), 0);
    }
}
