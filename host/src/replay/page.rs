//! The page.
use super::{Fleet, Report};

/// Page.
pub fn page(_: &Fleet, _: &Report) -> String {
    String::new()
}
