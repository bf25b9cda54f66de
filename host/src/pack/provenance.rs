//! What a manifest says of how an image was made.

use crate::base::Base;
use crate::image::{Annotations, Digest, annotation};
use crate::planner::Planner;

/// What an image says of how it was made: the policy that grouped its store paths, the digests
/// of the component and of what that was asked, so that anyone can make the same plan again;
/// and what it is built on. None of it is part of the image id.
pub fn provenance(
    planner: &Planner<'_>,
    policy: &str,
    request: Option<Digest>,
    base: Option<&Base>,
) -> Annotations {
    let mut annotations = Annotations::new();
    if let Some(request) = request {
        annotations.insert(annotation::POLICY.to_owned(), policy.to_owned());
        annotations.insert(annotation::COMPONENT.to_owned(), planner.digest().to_string());
        annotations.insert(annotation::REQUEST.to_owned(), request.to_string());
    }
    if let Some((name, digest)) = base.and_then(Base::published) {
        if let Some(name) = name {
            annotations.insert(annotation::BASE_NAME.to_owned(), name.to_owned());
        }
        annotations.insert(annotation::BASE_DIGEST.to_owned(), digest.to_string());
    }
    annotations
}
