//! Fields as tools of other languages write them. What says something of an image without being
//! needed to use it costs itself alone where it is null or of another type than it should be.

use serde::de::DeserializeOwned;
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
