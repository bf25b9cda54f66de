//! The query of a cache's URL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::Url;

use super::LocationFault;

/// The parameters that Nix knows for caches, from version 2.8 to 2.36 (`StoreConfig`,
/// `BinaryCacheStoreConfig` and those for HTTP and S3). Those that say how to write, how Nix keeps
/// what it read, or what Nix would build are accepted and not used.
pub(super) const KNOWN: [&str; 33] = [
    "addressing-style",
    "buffer-size",
    "compression",
    "compression-level",
    "endpoint",
    "index-debug-info",
    "local-nar-cache",
    "log-compression",
    "ls-compression",
    "multipart-chunk-size",
    "multipart-threshold",
    "multipart-upload",
    "narinfo-compression",
    "parallel-compression",
    "path-info-cache-size",
    "priority",
    "profile",
    "region",
    "retry-attempts",
    "retry-delay",
    "retry-delay-rate-limited",
    "retry-max-delay",
    "scheme",
    "secret-key",
    "secret-keys",
    "storage-class",
    "store",
    "system-features",
    "tls-certificate",
    "tls-private-key",
    "trusted",
    "want-mass-query",
    "write-nar-listing",
];

/// The parameters that matter for reading.
#[derive(Debug, Default, Clone)]
pub(crate) struct Parameters {
    pub(crate) priority: Option<i64>,
    pub(crate) is_trusted: bool,
    values: BTreeMap<String, String>,
}

impl Parameters {
    /// Reads the query of a URL.
    pub(crate) fn of(url: &Url) -> Result<Self, LocationFault> {
        let mut values = BTreeMap::new();
        for (name, value) in url.query_pairs().map(|(n, v)| (owned(n), owned(v))) {
            if !KNOWN.contains(&&*name) {
                return Err(LocationFault::Parameter(shown(&name)));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(LocationFault::Repeated(name));
            }
        }
        Ok(Self {
            priority: values
                .get("priority")
                .map(|text| number(text))
                .transpose()?,
            is_trusted: values
                .get("trusted")
                .map_or(Ok(false), |text| boolean("trusted", text))?,
            values,
        })
    }

    /// Returns the value of a parameter, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

fn owned(text: Cow<'_, str>) -> String {
    text.into_owned()
}

/// Returns a name or a value of a query for a message. One with `@` may be the end of a password with `?`.
fn shown(text: &str) -> String {
    let shown = if text.contains('@') { "…" } else { text };
    shown.to_owned()
}

/// Returns the fault of a value that its parameter cannot have.
pub(crate) fn wrong_value(
    name: &'static str,
    value: &str,
    expected: &'static str,
) -> LocationFault {
    LocationFault::Value {
        name,
        value: shown(value),
        expected,
    }
}

fn number(text: &str) -> Result<i64, LocationFault> {
    text.parse::<i32>()
        .map(i64::from)
        .map_err(|_| wrong_value("priority", text, "a whole number"))
}

/// Reads a boolean as Nix writes them in settings.
fn boolean(name: &'static str, text: &str) -> Result<bool, LocationFault> {
    match text {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(wrong_value(name, text, "`true` or `false`")),
    }
}
