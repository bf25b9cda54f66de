//! A note about a directory whose files become links.
//!
//! `contents` makes store paths of directories, with links to their files at the root. An image of
//! nothing but documents gains nothing by that, and a web server that does not follow links serves
//! none of them.

use std::convert::Infallible;

use terrine_support::remark::Remark;
use terrine_tar::Kind;

use super::complete::Complete;
use crate::layer::{Store, StorePath, Tree};
use crate::spec::ImageSpec;

/// Recommends `copyToRoot` for a directory where that is certain to help: it is all that the image
/// has in a store, none of its files is a program, and nothing refers to it by its path there.
pub(super) fn remark(spec: &ImageSpec, complete: &Complete, config: &str) -> Option<Remark> {
    let mut own = complete.paths.own();
    let (Some(path), None) = (own.next(), own.next()) else {
        return None;
    };
    let given = complete.store.given(path)?;
    let is_plain = complete.paths.included
        && given.name.is_none()
        && spec.store_dir.is_none()
        && !spec.include_nix_db
        && !spec.has_commands();
    let is_mentioned = config.contains(path.as_str()) || mentions(spec, path.as_str());
    if !is_plain || is_mentioned || !has_documents_only(&complete.store, path) {
        return None;
    }
    let message = format!(
        "in the image, the files of `{}` are links into `{}`",
        given.path,
        path.as_str()
    );
    let hint = "use `copyToRoot` instead of `contents` to copy the files";
    Some(Remark::note(message).hint(hint))
}

/// Returns true if the specification writes of a path, apart from the configuration.
fn mentions(spec: &ImageSpec, path: &str) -> bool {
    let texts = spec.files.values();
    let texts = texts.flat_map(|file| [&file.text, &file.link]);
    let patterns = spec.permissions.iter();
    let patterns = patterns.flat_map(|rule| [&rule.path, &rule.regex]);
    texts
        .chain(patterns)
        .flatten()
        .any(|text| text.contains(path))
}

/// Returns true if a directory has files, and none that can be executed.
fn has_documents_only(store: &Store, path: &StorePath) -> bool {
    // A directory that cannot be listed is reported when its layer is made.
    let Ok(tree) = Tree::walk(store, std::slice::from_ref(path)) else {
        return false;
    };
    let (mut documents, mut programs) = (0, 0);
    let walked: Result<(), Infallible> = tree.for_each(|entry| {
        if entry.kind == Kind::File {
            let is_program = entry.mode & 0o111 != 0;
            documents += usize::from(!is_program);
            programs += usize::from(is_program);
        }
        Ok(())
    });
    walked.is_ok() && documents > 0 && programs == 0
}
