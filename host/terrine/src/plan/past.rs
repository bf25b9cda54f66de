//! The past of the image, as far as the specification names it.

use terrine_oci::Reference;

use super::context::Context;
use super::error::in_terms_of_the_spec;
use super::machine::Machine;
use super::{Error, base, place};
use crate::history::{self, Past, Previous};
use crate::layer::Store;
use crate::spec::ImageSpec;

/// The known history of an image.
#[derive(Debug, Default)]
pub(super) struct KnownHistory {
    pub(super) past: Past,
    /// The remarks for the user.
    pub(super) remarks: Vec<String>,
}

/// Returns references to what `previous` names: images, and files with plans.
///
/// # Errors
///
/// Text that is no reference.
pub fn previous_images(spec: &ImageSpec) -> Result<Vec<Reference>, Error> {
    let named = spec.previous.0.iter().enumerate();
    let reference = |(number, text): (usize, &String)| {
        base::reference(spec, &format!("previous[{number}]"), text)
    };
    named.map(reference).collect()
}

/// Reads what `history` and `previous` name.
pub(super) fn find(
    context: &Context<'_, '_>,
    store: &Store,
    machine: &Machine,
) -> Result<KnownHistory, Error> {
    let Context {
        spec,
        options,
        planners,
    } = context;
    let mut found = KnownHistory::default();
    if let Some(file) = &spec.history {
        let place = place::existing(spec, "history", file)?;
        let read = found.past.read_updates(&place, store.dir());
        read.map_err(|source| Error::past("history", source))?;
    }
    if spec.previous.0.is_empty() {
        return Ok(found);
    }
    let platform = base::platform(&machine.platform, spec.variant.clone(), planners.image);
    let platform = platform.map_err(|error| in_terms_of_the_spec(spec, error))?;
    for (number, text) in spec.previous.0.iter().enumerate() {
        let field = format!("previous[{number}]");
        let reference = base::reference(spec, &field, text)?;
        let opened = history::open(&reference, options.images, Some(&platform));
        let failed = |source| Error::past(&field, source);
        match opened.map_err(failed)? {
            Previous::Held(image) => found.past.held.push(image),
            Previous::Missing(_) if options.allow_missing_previous => found.remarks.push(format!(
                "the previous image `{text}` does not exist: the layers are chosen without it"
            )),
            Previous::Missing(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}
