//! The layer budget: how many layers are left for store paths.

use super::error;
use crate::bindings::image::{Error, ErrorKind};

/// One layer is always taken by what is not a store path.
const CUSTOMISATION_LAYERS: u32 = 1;

/// How many of `max_layers` are left for store paths on top of a base image of
/// `base_layers` layers. At least 1, as dockerTools has it.
///
/// # Errors
///
/// A `max_layers` below 2, and one that the base image uses up.
pub(super) fn store_layers(max_layers: Option<u32>, base_layers: u32) -> Result<Option<u32>, Error> {
    let Some(max) = max_layers else { return Ok(None) };
    let over = |message: String| error(ErrorKind::OverBudget, "max-layers", message);
    if max < 2 {
        return Err(over(format!("`maxLayers` must be greater than 1 (current value: {max})")));
    }
    let used = CUSTOMISATION_LAYERS.saturating_add(base_layers);
    match max.checked_sub(used) {
        Some(left) if left > 0 => Ok(Some(left)),
        _ => Err(over(format!(
            "the base image and the customisation take {used} layers, but only `maxLayers` = {max} are \
             allowed, and at least 1 more is needed for store paths"
        ))
        .with_hint(format!("allow at least {} layers", used.saturating_add(1)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_at_least_one() {
        assert_eq!(store_layers(None, 200), Ok(None));
        assert_eq!(store_layers(Some(2), 0), Ok(Some(1)));
        assert_eq!(store_layers(Some(100), 0), Ok(Some(99)));
        assert_eq!(store_layers(Some(4), 2), Ok(Some(1)));
    }

    #[test]
    fn a_budget_that_is_too_small_says_by_how_much() {
        let message = |max, base| store_layers(Some(max), base).unwrap_err().message;
        assert_eq!(message(1, 0), "`maxLayers` must be greater than 1 (current value: 1)");
        assert_eq!(message(0, 5), "`maxLayers` must be greater than 1 (current value: 0)");
        let full = store_layers(Some(3), 2).unwrap_err();
        assert!(full.message.starts_with("the base image and the customisation take 3 layers"));
        assert_eq!(full.hint.as_deref(), Some("allow at least 4 layers"));
        assert!(store_layers(Some(3), u32::MAX).is_err());
    }
}
