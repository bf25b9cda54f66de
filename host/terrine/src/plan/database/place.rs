//! The files and directories that Nix needs.

use std::io::Read;

use super::super::Error;
use crate::closure::Database;
use crate::rootfs::{Data, New, Origin, Root, SourceFile};
use crate::store_database;

/// The place of the database in a root.
pub(super) struct Place<'a> {
    /// The root.
    pub(super) root: &'a mut Root,
    /// The store's directory.
    pub(super) store_dir: &'a str,
    /// User and group of all that is added.
    pub(super) owner: (i64, i64),
}

impl Place<'_> {
    /// Returns the path of the database in an image.
    pub(super) fn file(store_dir: &str) -> String {
        format!("{}/db/db.sqlite", Database::state_dir(store_dir))
    }

    /// Adds the database, and what Nix needs beside it: directories that its user may write to, so
    /// that no daemon is needed, and links that keep what the image was asked to hold.
    /// `roots` are the paths to keep, and `stale` the suffixes of files of the base image to remove.
    pub(super) fn add(
        mut self,
        database: Vec<u8>,
        roots: &[String],
        stale: &[&str],
    ) -> Result<(), Error> {
        let state = Database::state_dir(self.store_dir);
        let log = format!("{}/log/nix", state.strip_suffix("/nix").unwrap_or(&state));
        let links = format!("{}/.links", self.store_dir);
        for directory in [self.store_dir, &links, &state, &log] {
            self.put(directory, New::directory())?;
        }
        for name in ["db", "gcroots", "gcroots/docker", "profiles", "temproots"] {
            self.put(&format!("{state}/{name}"), New::directory())?;
        }
        let database = New::file(database);
        self.put(&format!("{state}/db/db.sqlite"), database)?;
        let schema = New::file(store_database::SCHEMA);
        self.put(&format!("{state}/db/schema"), schema)?;
        for root in roots {
            let name = &root[self.store_dir.len() + 1..];
            let link = New::symlink(root.as_str());
            self.put(&format!("{state}/gcroots/docker/{name}"), link)?;
        }
        for suffix in stale {
            // A whiteout: what is left of the base image's database is not of this one.
            let path = format!("{state}/db/.wh.db.sqlite{suffix}");
            self.put(&path, New::whiteout())?;
        }
        Ok(())
    }

    /// Writes another database in the place of `before`, with the owner that it has now, and links
    /// to more paths to keep. Returns whether it was there as it was.
    pub(super) fn renew(
        mut self,
        before: &[u8],
        database: Vec<u8>,
        roots: &[String],
    ) -> Result<bool, Error> {
        let state = Database::state_dir(self.store_dir);
        let path = format!("{state}/db/db.sqlite");
        let is_there = self
            .root
            .get(path.as_bytes())
            .is_some_and(|entry| match entry.data {
                Data::Source(file) => holds(file, before),
                Data::Inline(bytes) => bytes == before,
                Data::None => false,
            });
        if !is_there {
            return Ok(false);
        }
        self.root.replace_content(path.as_bytes(), database);
        let links = format!("{state}/gcroots/docker");
        for root in roots {
            let name = &root[self.store_dir.len() + 1..];
            let link = format!("{links}/{name}");
            let is_missing = self.root.get(link.as_bytes()).is_none();
            if is_missing && self.root.get(links.as_bytes()).is_some() {
                self.put(&link, New::symlink(root.as_str()))?;
            }
        }
        Ok(true)
    }

    fn put(&mut self, path: &str, new: New) -> Result<(), Error> {
        let (uid, gid) = self.owner;
        let origin = Origin::Helper("includeNixDB");
        Ok(self.root.add(path, new.owner(uid, gid), origin)?)
    }
}

/// Returns whether a file can be read and holds this.
fn holds(file: SourceFile<'_>, expected: &[u8]) -> bool {
    let mut bytes = vec![];
    let read = file
        .open()
        .map_err(std::io::Error::from)
        .and_then(|mut file| file.read_to_end(&mut bytes));
    read.is_ok() && bytes == expected
}
