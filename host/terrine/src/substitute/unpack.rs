//! A store path on disk, out of its NAR.

use std::io;
use std::path::Path;

use terrine_binary_cache::{NarError, NarStream};

use super::Error;
use super::disk::Writer;

/// The prefix of folders in which a path is unpacked.
pub(super) const UNFINISHED: &str = "unfinished-";

/// Unpacks a NAR to `place`, where nothing is. `failed` makes the error of a fault of the NAR.
///
/// # Errors
///
/// A NAR that is not what the narinfo says, and a disk that does not take it.
pub(super) fn unpack(
    mut nar: NarStream,
    place: &Path,
    failed: &dyn Fn(NarError) -> Error,
) -> Result<(), Error> {
    let mut writer = Writer::new(place);
    while let Some(entry) = nar.next_entry().map_err(failed)? {
        let Some(mut file) = writer.entry(entry.path, &entry.kind)? else {
            continue;
        };
        if let Err(error) = io::copy(&mut nar.content(), &mut file) {
            return Err(match NarError::from_io(error) {
                Ok(error) => failed(error),
                Err(source) => Error::Write {
                    path: place.to_owned(),
                    source,
                },
            });
        }
    }
    nar.finish().map_err(failed)?;
    writer.finish()
}
