//! Paths of which nobody can tell whether they changed.

use terrine_support::remark::Remark;

/// Returns a warning of paths of which nobody can tell whether their content changed from step to step; none where there
/// are none.
pub fn remark(paths: &[&str]) -> Option<Remark> {
    let (first, others) = paths.split_first()?;
    let among = match others.len() {
        0 => String::new(),
        1 => " (and of 1 other)".to_owned(),
        count => format!(" (and of {count} others)"),
    };
    let message = format!(
        "it is not known whether the content of `{first}`{among} changed: figures count it as unchanged, because its name has no hash"
    );
    Some(
        Remark::warning(message)
            .hint("record the steps from images or specifications, which have its content"),
    )
}
