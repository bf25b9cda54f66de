//! Fields as tools of other languages write them. What says something of an image without being
//! needed to use it costs itself alone where it is null or of another type than it should be.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field; what is of another type is as good as none.
pub(super) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Reads a list of such fields. Something else in the place of the list is an empty one.
pub(super) fn list_or_default<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let Value::Array(values) = Value::deserialize(deserializer)? else {
        return Ok(vec![]);
    };
    let values = values.into_iter();
    Ok(values
        .map(|value| serde_json::from_value(value).unwrap_or_default())
        .collect())
}

/// Reads names and their texts, without those that are none.
pub(super) fn texts_by_name<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let Value::Object(values) = Value::deserialize(deserializer)? else {
        return Ok(BTreeMap::new());
    };
    let values = values.into_iter();
    Ok(values
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        })
        .collect())
}

/// Reads a list of texts, without what is none.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let Value::Array(values) = Value::deserialize(deserializer)? else {
        return Ok(vec![]);
    };
    let values = values.into_iter();
    Ok(values
        .filter_map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
        .collect())
}

/// Reads a size, however the number is written. Zero stands for one that is not told: for null, and for -1 as Go's
/// programs know it.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let whole =
        |number: f64| (number.fract() == 0.0 && number < 2_f64.powi(53)).then_some(number as u64);
    let size = match &value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    size.ok_or_else(|| D::Error::custom(format!("the size `{value}` is not a number of bytes")))
}
