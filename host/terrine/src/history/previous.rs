//! Finding the image that clients hold.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use terrine_oci::{Platform, Reference};
use terrine_planner_host::layering::HeldImage;

use super::{Error, of_image, of_plan};
use crate::inspect::inspect;
use crate::source::{self, Opener};

/// The largest plan that is read, in bytes.
const MAX_PLAN: u64 = 256 << 20;

/// The result of opening a previous image.
#[derive(Debug)]
pub enum Previous {
    /// Its layers.
    Held(HeldImage),
    /// Nothing: no such file, tag or repository, as the error says.
    Missing(Error),
}

/// Opens a previous image wherever a reference leads, or reads the plan of one, which is a
/// JSON file. Of an index the image for `platform` is taken.
///
/// # Errors
///
/// An image or a plan that exists and cannot be used, and an image that says nothing of store paths.
pub fn open(
    reference: &Reference,
    images: &dyn Opener,
    platform: Option<&Platform>,
) -> Result<Previous, Error> {
    if let Reference::Path(path) = reference
        && let Some(text) = plan_text(path)?
    {
        let held = of_plan(&text).map_err(|why| Error::NotAPlan {
            path: path.clone(),
            why,
        })?;
        return Ok(Previous::Held(held));
    }
    let opened = match source::open(reference, images) {
        Err(error) if error.is_missing() => return Ok(Previous::Missing(error.into())),
        opened => opened?,
    };
    let platform = match &opened {
        source::Opened::Image(_) => None,
        source::Opened::Index(_) | source::Opened::Choice { .. } => platform,
    };
    let image = source::pick(opened, platform)?;
    let inspection = inspect(&image)?;
    let held = of_image(&inspection).ok_or(Error::NoRecord(inspection.name))?;
    Ok(Previous::Held(held))
}

/// The text of a file that begins like JSON: no archive does.
fn plan_text(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let mut file = File::open(path).map_err(io)?;
    let mut first = [0; 1];
    if file.read(&mut first).map_err(io)? == 0 || first[0] != b'{' {
        return Ok(None);
    }
    let mut text = first.to_vec();
    file.take(MAX_PLAN).read_to_end(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_PLAN {
        let why = format!("it has more than {} MiB", MAX_PLAN >> 20);
        return Err(Error::NotAPlan {
            path: path.to_owned(),
            why,
        });
    }
    Ok(Some(text))
}
