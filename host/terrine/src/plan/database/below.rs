//! The records of the base image's database.

use super::super::Error;
use crate::base::{Base, Listing};
use crate::closure::Database;
use crate::store_database::{self, Image, Records};

/// The largest database of a base image that is read, in bytes: that of some 200,000 paths.
const MAX_SIZE: u64 = 256 << 20;
/// Suffixes of the files that SQLite leaves beside a database, and would apply to another in its
/// place.
const BESIDE: [&str; 3] = ["-journal", "-shm", "-wal"];

/// The records of a base image's database, of what the image holds together with `own`.
pub(super) fn records(
    base: &Base,
    listing: &Listing,
    store_dir: &str,
    own: &Records,
) -> Result<Records, Error> {
    let read = |suffix: &str| base.read_file(listing, &at_base(store_dir, suffix), MAX_SIZE);
    let path = at_base(store_dir, "");
    let Some(file) = read("")? else {
        if listing.exists(path.as_bytes()) {
            let why = format!("`{path}` is reached by links in it, and cannot be read");
            return Err(Error::field("fromImage", why));
        }
        return Ok(Records::new());
    };
    let mut beside = vec![];
    for suffix in ["-journal", "-wal"] {
        beside.extend(read(suffix)?.map(|content| (suffix, content)));
    }
    let mut records = store_database::read(&Image {
        name: base.name(),
        store_dir,
        file: &file,
        beside: &beside,
    })?;
    store_database::retain(&mut records, |path| {
        listing.exists(path.as_bytes()) || own.contains_key(path)
    });
    Ok(records)
}

/// Returns the suffixes of the files that the base image has beside its database.
pub(super) fn left(listing: &Listing, store_dir: &str) -> impl Iterator<Item = &'static str> {
    BESIDE
        .into_iter()
        .filter(move |suffix| listing.exists(at_base(store_dir, suffix).as_bytes()))
}

/// The path of the database in an image, or of a file beside it.
fn at_base(store_dir: &str, suffix: &str) -> String {
    format!("{}/db/db.sqlite{suffix}", Database::state_dir(store_dir))
}
