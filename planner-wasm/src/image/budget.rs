//! The layer budget: how many layers are left for store paths.

use super::error;
use crate::bindings::image::{Error, ErrorKind, ResolveRequest};

/// Returns the number of layers that are left for store paths, of those that are allowed.
/// At least 1 where there are any.
///
/// # Errors
///
/// A `max-layers` below 2, and one that the other layers use up.
pub(super) fn store_layers(request: &ResolveRequest) -> Result<Option<u32>, Error> {
    let Some(max) = request.max_layers else {
        return Ok(None);
    };
    let over = |message: String| error(ErrorKind::OverBudget, "max-layers", message);
    if max < 2 {
        return Err(over(format!(
            "`maxLayers` must be greater than 1 (current value: {max})"
        )));
    }
    let base = request.base.as_ref().map_or(0, |base| base.layers);
    let used = base.saturating_add(request.other_layers);
    let needed = used.saturating_add(request.has_store_paths.into());
    if needed <= max {
        return Ok(Some(max - used));
    }
    let more = if request.has_store_paths {
        ", and at least 1 more is needed for store paths"
    } else {
        ""
    };
    let message = format!(
        "the base image and the customisation take {used} layers, but only `maxLayers` = {max} are allowed{more}"
    );
    Err(over(message).with_hint(format!("allow at least {needed} layers")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;
    use crate::bindings::image::BaseImage;

    fn left(
        max: Option<u32>,
        base: u32,
        other_layers: u32,
        has_store_paths: bool,
    ) -> Result<Option<u32>, Error> {
        let base = Some(BaseImage {
            configuration: "{}".to_owned(),
            layers: base,
        });
        store_layers(&ResolveRequest {
            max_layers: max,
            base,
            other_layers,
            has_store_paths,
            ..request()
        })
    }

    #[test]
    fn what_is_left_is_at_least_one() {
        assert_eq!(left(None, 200, 1, true), Ok(None));
        assert_eq!(left(Some(2), 0, 1, true), Ok(Some(1)));
        assert_eq!(left(Some(100), 0, 1, true), Ok(Some(99)));
        assert_eq!(left(Some(4), 2, 1, true), Ok(Some(1)));
        assert_eq!(left(Some(3), 2, 1, false), Ok(Some(0)));
        assert_eq!(left(Some(3), 2, 0, true), Ok(Some(1)));
    }

    #[test]
    fn a_budget_that_is_too_small_says_by_how_much() {
        let message = |max, base| left(Some(max), base, 1, true).unwrap_err().message;
        assert_eq!(
            message(1, 0),
            "`maxLayers` must be greater than 1 (current value: 1)"
        );
        assert_eq!(
            message(0, 5),
            "`maxLayers` must be greater than 1 (current value: 0)"
        );
        let full = left(Some(3), 2, 1, true).unwrap_err();
        assert_eq!(
            full.message,
            "the base image and the customisation take 3 layers, but only `maxLayers` = 3 are allowed, and at \
             least 1 more is needed for store paths"
        );
        assert_eq!(full.hint.as_deref(), Some("allow at least 4 layers"));
        assert!(left(Some(3), u32::MAX, 1, true).is_err());
        assert!(left(Some(2), 2, 1, false).is_err());
    }
}
