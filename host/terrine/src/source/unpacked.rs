//! Layers without their compression, which is what their bytes say.

use std::io::Read;

use terrine_compress::Compression;
use terrine_tar::Input;

use super::{Error, Layer};

/// Opens a layer and undoes its compression; `image` is what errors call its image.
///
/// # Errors
///
/// A layer that cannot be had.
pub(crate) fn unpacked<'a>(
    image: &str,
    layer: &'a dyn Layer,
) -> Result<Box<dyn Read + Send + 'a>, Error> {
    // Only one that is open is sure to know how it is compressed.
    let stored = layer.open()?;
    layer
        .compression()
        .decoder(stored)
        .map_err(|error| Error::unpacking(image, layer, error))
}

/// The same for a pass over the archive: one that is stored plain where it can be read at any place is not read
/// to be passed over.
///
/// # Errors
///
/// As [`unpacked`].
pub(crate) fn input<'a>(image: &str, layer: &'a dyn Layer) -> Result<Input<'a>, Error> {
    match (layer.content()?, layer.compression()) {
        (Some(content), Compression::None) => Ok(Input::Plain(content)),
        _ => Ok(Input::Unpacked(unpacked(image, layer)?)),
    }
}
