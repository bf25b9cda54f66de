//! Entries of the base image that files of the image hide.

use terrine_support::remark::Remark;
use terrine_tar::Kind;

use super::paths::Paths;
use crate::base::{Listed, Listing};
use crate::layer::Store;
use crate::rootfs::{Origin, Resolved, Root, RootEntry};

const LOST: &str = "the files of the base image there become unreachable";

/// The base image, as far as it is known.
struct Below<'a> {
    /// The listing of its entries, if one was made.
    listing: Option<&'a Listing>,
    root: &'a Root,
}

/// An entry of the base at a path that can be hidden.
enum There<'a> {
    /// A link to this target.
    Link(&'a [u8]),
    /// A directory with something in it.
    Directory,
    File,
}

impl There<'_> {
    fn noun(&self) -> String {
        match self {
            Self::Link(target) => format!("a link to `{}`", String::from_utf8_lossy(target)),
            Self::Directory => "a directory".to_owned(),
            Self::File => "a file".to_owned(),
        }
    }
}

impl<'a> Below<'a> {
    fn of(root: &'a Root, base: Option<&'a Listing>) -> Self {
        let listing = base.filter(|base| !base.is_claimed());
        Self { listing, root }
    }

    fn look(&self, path: &[u8]) -> Option<There<'a>> {
        let links = self.root.base_links();
        let Some(listing) = self.listing else {
            let link = links.get(path);
            return match link.map(|target| There::Link(target.as_bytes())) {
                None if links.has_directory(path) => Some(There::Directory),
                link => link,
            };
        };
        match listing.look(path) {
            Listed::Link(target) => Some(There::Link(target)),
            Listed::File { .. } => Some(There::File),
            Listed::Directory => listing.directory_at(path).map(|_| There::Directory),
            Listed::Nothing | Listed::Unknown => None,
        }
    }

    /// Returns the directory that a path of the base leads to, if something is in it.
    fn directory_at(&self, path: &[u8]) -> Option<Vec<u8>> {
        match self.listing {
            Some(listing) => listing.directory_at(path),
            None => self.root.base_links().end(path),
        }
    }

    /// Says whether an entry that is no directory hides what lies in a directory of the base.
    fn loses(&self, entry: &RootEntry<'_>, there: &There<'_>) -> bool {
        if let There::File = there {
            return false;
        }
        let Some(directory) = self.directory_at(entry.path) else {
            return false;
        };
        match self.root.resolve(entry.path) {
            Resolved::Here(found) => found.kind != Kind::Directory || found.path != directory,
            Resolved::Elsewhere(at) => at != directory,
            Resolved::Nowhere => true,
        }
    }
}

/// Warns of links and files of the base that are hidden by directories at the root.
pub(super) fn by_directories(root: &Root, base: Option<&Listing>) -> Vec<Remark> {
    let below = Below::of(root, base);
    let hidden = root.directories().filter_map(|entry| {
        let there = below.look(entry.path)?;
        let path = String::from_utf8_lossy(entry.path);
        let followed = root.base_links().followed;
        let hint = match (&there, entry.origin) {
            (There::Directory, _) => return None,
            (There::File, _) => format!("use another path for the files in `{path}`"),
            (There::Link(_), _) if !followed => {
                "`--base-links follow` puts files where the link leads".to_owned()
            }
            (There::Link(_), Origin::Commands) => {
                format!("let the commands write to the target of `{path}`")
            }
            (There::Link(_), _) => format!(
                "the link does not lead to a directory: leave `{path}` out, or replace the link"
            ),
        };
        let (what, origin) = (there.noun(), entry.origin);
        let remark = Remark::warning(format!(
            "`{path}` is {what} in the base image, and a directory for {origin}: {LOST}"
        ));
        Some(remark.hint(hint))
    });
    hidden.collect()
}

/// Warns of directories of the base, and of links to them, that are hidden by what is no directory at the root.
pub(super) fn by_others(root: &Root, base: Option<&Listing>) -> Vec<Remark> {
    let below = Below::of(root, base);
    let others = root.entries().filter(|entry| entry.kind != Kind::Directory);
    let hidden = others.filter_map(|entry| {
        let there = below.look(entry.path)?;
        below
            .loses(&entry, &there)
            .then(|| by_other(&entry, &there))
    });
    hidden.collect()
}

fn by_other(entry: &RootEntry<'_>, there: &There<'_>) -> Remark {
    let path = String::from_utf8_lossy(entry.path);
    let (is, hint) = match entry.kind {
        Kind::Symlink => (
            format!("a link to `{}`", String::from_utf8_lossy(entry.link)),
            format!(
                "make `{path}` a directory with the new files, and those of the base image stay"
            ),
        ),
        _ => ("a file".to_owned(), "give the file another path".to_owned()),
    };
    let (what, origin) = (there.noun(), entry.origin);
    let remark = Remark::warning(format!(
        "`{path}` is {what} in the base image, and {is} for {origin}: {LOST}"
    ));
    remark.hint(hint)
}

/// Warns of links and files of the base that are hidden by the directories which store paths lie in.
pub(super) fn by_store(store: &Store, paths: &Paths, base: Option<&Listing>) -> Vec<Remark> {
    let Some(listing) = base.filter(|base| paths.any() && !base.is_claimed()) else {
        return vec![];
    };
    let hidden = store.ancestors().filter_map(|path| {
        let there = match listing.look(path.as_bytes()) {
            Listed::Link(target) => There::Link(target),
            Listed::File { .. } => There::File,
            _ => return None,
        };
        let remark = Remark::warning(format!(
            "`{path}` is {} in the base image, and a directory for store paths: {LOST}",
            there.noun()
        ));
        Some(remark.hint(format!(
            "build on an image in which `{path}` is a directory, or nothing"
        )))
    });
    hidden.collect()
}
