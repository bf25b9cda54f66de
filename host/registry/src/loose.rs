//! JSON as registries, token services and logins write it: a field that is null or of another
//! type than usual costs that field and not the document.

use serde_json::Value;

/// Reads a document, with or without a byte order mark; none if it is not JSON.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(without_mark(bytes)).ok()
}

/// Drops the byte order mark that some editors write.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Returns a text that is not blank.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// Returns a number, also one that is written as a text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}
