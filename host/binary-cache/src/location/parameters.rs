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
    /// True if the query may be the end of a password with `?`. Then no part of it is shown.
    may_be_secret: bool,
}

impl Parameters {
    /// Reads the query of a URL.
    pub(crate) fn of(url: &Url) -> Result<Self, LocationFault> {
        let mut found = Self {
            may_be_secret: url.query().is_some_and(|query| query.contains('@')),
            ..Self::default()
        };
        for (name, value) in url.query_pairs().map(|(n, v)| (owned(n), owned(v))) {
            if !KNOWN.contains(&&*name) {
                return Err(LocationFault::Parameter(found.shown(&name)));
            }
            if found.values.insert(name.clone(), value).is_some() {
                return Err(LocationFault::Repeated(name));
            }
        }
        let values = &found.values;
        let number = |text: &String| found.number("priority", text);
        let priority = values.get("priority").map(number).transpose()?;
        let boolean = |text: &String| found.boolean("trusted", text);
        let is_trusted = values.get("trusted").map_or(Ok(false), boolean)?;
        Ok(Self {
            priority,
            is_trusted,
            ..found
        })
    }

    /// Returns the value of a parameter, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// Returns the fault of a value that its parameter cannot have.
    pub(crate) fn wrong(
        &self,
        name: &'static str,
        value: &str,
        expected: &'static str,
    ) -> LocationFault {
        LocationFault::Value {
            name,
            value: self.shown(value),
            expected,
        }
    }

    /// Returns a name or a value for a message.
    fn shown(&self, text: &str) -> String {
        let shown = if self.may_be_secret { "…" } else { text };
        shown.to_owned()
    }

    fn number(&self, name: &'static str, text: &str) -> Result<i64, LocationFault> {
        text.parse::<i32>()
            .map(i64::from)
            .map_err(|_| self.wrong(name, text, "a whole number"))
    }

    /// Reads a boolean as Nix writes them in settings.
    fn boolean(&self, name: &'static str, text: &str) -> Result<bool, LocationFault> {
        match text {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            _ => Err(self.wrong(name, text, "`true` or `false`")),
        }
    }
}

fn owned(text: Cow<'_, str>) -> String {
    text.into_owned()
}
