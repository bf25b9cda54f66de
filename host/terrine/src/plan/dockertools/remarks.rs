//! Remarks for the user on an image that a `conf.json` describes.

use std::cell::OnceCell;

use terrine_compress::Compression;
use terrine_support::remark::Remark;

use crate::assemble::{NewImage, Top};
use crate::base::{Base, LayerFiles};
use crate::layer::StorePath;
use crate::plan::files::{ArchivedFiles, BaseFiles, Held, StoreFiles};
use crate::source::FilePart;
use crate::startup::{self, Interpreters};

/// Returns what a person should know of an image that a `conf.json` describes, before it is made. Of a base image no
/// more is looked at than the headers of archives that are not compressed.
pub fn remarks(image: &NewImage<'_>) -> Vec<Remark> {
    let mut remarks = image.remarks();
    // Those types are the original's, which writes whatever it is given.
    let mistyped = terrine_oci::mistyped(&image.resolved.config).into_iter();
    remarks.extend(mistyped.map(|field| Remark::warning(field.message).hint(field.hint)));
    let Top::Archive(archive) = &image.top else {
        return remarks;
    };
    let part = FilePart::new(archive.file(), 0, archive.size());
    // What is wrong with the archive is told where it is read.
    let Some(top) = LayerFiles::of(part) else {
        return remarks;
    };
    let has_store = image.layers.iter().any(|layer| !layer.paths.is_empty());
    let is_empty = image.base.is_none() && !has_store && top.is_empty();
    if is_empty && !image.resolved.config.contains(image.store.dir()) {
        remarks.push(startup::empty());
    }
    let holds = |top: &StorePath| {
        let mut paths = image.layers.iter().flat_map(|layer| &layer.paths);
        // An image without store paths may be meant for a machine whose store is mounted.
        if !has_store {
            Held::Perhaps
        } else if paths.any(|path| path.is_within(top)) {
            Held::Here
        } else {
            Held::No
        }
    };
    let base = image.base.as_ref().map_or(BaseFiles::None, below);
    remarks.extend(hidden_links(&top, &base));
    let files = ArchivedFiles {
        archive,
        top,
        store: StoreFiles {
            store: &image.store,
            ownership: &image.ownership,
            holds: Box::new(holds),
        },
        has_store,
        base,
    };
    remarks.extend(startup::check(
        &image.resolved.config,
        &files,
        Interpreters::Here,
    ));
    remarks
}

/// Links of the base image that directories of the customisation layer hide. That layer is ready-made, so that nothing in it
/// is put elsewhere.
fn hidden_links(top: &LayerFiles, base: &BaseFiles<'_>) -> Vec<Remark> {
    let link = |path: Vec<u8>| {
        let target = base.link_at(&path)?;
        let [path, target] = [&path, target].map(String::from_utf8_lossy);
        let remark = Remark::warning(format!(
            "`{path}` is a link to `{target}` in the base image, and a directory in the root layer: the files of the base image there become unreachable"
        ));
        Some(remark.hint(
            "put the files into the target of the link, as `terrine build` does with `contents`",
        ))
    };
    top.directories().filter_map(link).collect()
}

/// The files of a base image: of one whose layers are compressed or yet to be made, nothing is known.
fn below(base: &Base) -> BaseFiles<'_> {
    let is_plain = base.layers().iter().all(|layer| {
        let layer = layer.layer();
        layer.compression() == Compression::None && matches!(layer.content(), Ok(Some(_)))
    });
    if is_plain {
        BaseFiles::Late(base, OnceCell::new())
    } else {
        BaseFiles::Unread
    }
}
