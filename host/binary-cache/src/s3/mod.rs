//! Buckets of S3, and of storage that speaks the same protocol.
//!
//! Requests are signed by their URL (Amazon S3, "Authenticating requests: using query parameters"), so that no header
//! is needed. Which host a bucket is at is decided as in Nix (`ParsedS3URL::toHttpsUrl`).

mod credentials;
mod profiles;

use std::fmt;
use std::time::Duration;

use rusty_s3::{Bucket, S3Action, UrlStyle};
use url::Url;

pub use credentials::{S3Access, S3Credentials};
pub use profiles::{ProfilesError, S3Profiles};

use crate::location::{LocationFault, Parameters};

/// The time that a signature is good for. It must outlast the transfer of the largest NAR, which
/// may have to ask for its rest at the end.
const VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// A bucket, with the start of the keys in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Bucket {
    bucket: Bucket,
    /// Empty, or a path with a slash at its end.
    prefix: String,
    /// The profile that the URL names.
    pub(crate) profile: Option<String>,
}

impl S3Bucket {
    /// Reads `s3://BUCKET/PREFIX` and its parameters.
    pub(crate) fn new(url: &Url, parameters: &Parameters) -> Result<Self, LocationFault> {
        let name = url.host_str().unwrap_or_default().to_owned();
        let is_plain = url.username().is_empty() && url.password().is_none();
        if name.is_empty() || url.port().is_some() || !is_plain {
            return Err(LocationFault::Endpoint(name));
        }
        let region = parameters.get("region").unwrap_or("us-east-1").to_owned();
        let endpoint = endpoint(parameters, &region)?;
        let style = style(parameters, &name)?;
        let failed = |_| match style {
            UrlStyle::VirtualHost => LocationFault::VirtualHost(name.clone()),
            UrlStyle::Path => LocationFault::Endpoint(endpoint.to_string()),
        };
        let bucket = Bucket::new(endpoint.clone(), style, name.clone(), region).map_err(failed)?;
        let prefix = url.path().trim_matches('/');
        let prefix = percent_encoding::percent_decode_str(prefix).decode_utf8_lossy();
        let prefix = match &*prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Self {
            bucket,
            prefix,
            profile: parameters.get("profile").map(str::to_owned),
        })
    }

    /// Returns whether requests are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.bucket.base_url().scheme() == "https"
    }

    /// Returns the URL of an object, signed if there are credentials.
    pub(crate) fn url(&self, credentials: Option<&S3Credentials>, name: &str) -> String {
        let credentials = credentials.map(S3Credentials::signer);
        let key = format!("{}{name}", self.prefix);
        let action = self.bucket.get_object(credentials.as_ref(), &key);
        action.sign(VALID).into()
    }
}

/// Without endpoint and region.
impl fmt::Display for S3Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{prefix}", self.bucket.name())
    }
}

/// Returns the server of the bucket.
fn endpoint(parameters: &Parameters, region: &str) -> Result<Url, LocationFault> {
    let scheme = parameters.get("scheme").unwrap_or("https");
    if !["https", "http"].contains(&scheme) {
        return Err(parameters.wrong("scheme", scheme, "`https` or `http`"));
    }
    let text = match parameters.get("endpoint") {
        Some(url) if url.contains("://") => url.to_owned(),
        Some(host) => format!("{scheme}://{host}"),
        None => format!("{scheme}://s3.{region}.amazonaws.com"),
    };
    let failed = || LocationFault::Endpoint(terrine_registry::shown_url(&text));
    let url = Url::parse(&text).map_err(|_| failed())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_http = ["https", "http"].contains(&url.scheme());
    if is_plain && is_http {
        Ok(url)
    } else {
        Err(failed())
    }
}

/// Decides whether the bucket is part of the host name or of the path. By default it is part of the
/// name at AWS, and of the path elsewhere.
fn style(parameters: &Parameters, bucket: &str) -> Result<UrlStyle, LocationFault> {
    // No certificate is valid for further dots.
    let is_dotted = bucket.contains('.');
    match parameters.get("addressing-style").unwrap_or("auto") {
        "path" => Ok(UrlStyle::Path),
        "virtual" if is_dotted => Err(LocationFault::VirtualHost(bucket.to_owned())),
        "virtual" => Ok(UrlStyle::VirtualHost),
        "auto" if is_dotted || parameters.get("endpoint").is_some() => Ok(UrlStyle::Path),
        "auto" => Ok(UrlStyle::VirtualHost),
        other => Err(parameters.wrong("addressing-style", other, "`auto`, `path` or `virtual`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{Kind, Location};

    fn bucket(text: &str) -> S3Bucket {
        match Location::parse(text).unwrap().kind {
            Kind::S3(bucket) => *bucket,
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn hosts_are_those_of_nix() {
        for (text, expected) in [
            ("s3://b", "https://b.s3.us-east-1.amazonaws.com/x.narinfo"),
            (
                "s3://b?region=eu-west-1&scheme=http",
                "http://b.s3.eu-west-1.amazonaws.com/x.narinfo",
            ),
            (
                "s3://a.b",
                "https://s3.us-east-1.amazonaws.com/a.b/x.narinfo",
            ),
            (
                "s3://b?addressing-style=path",
                "https://s3.us-east-1.amazonaws.com/b/x.narinfo",
            ),
            (
                "s3://b?endpoint=minio:9000",
                "https://minio:9000/b/x.narinfo",
            ),
            (
                "s3://b?endpoint=http://127.0.0.1:9000/s3&scheme=https",
                "http://127.0.0.1:9000/s3/b/x.narinfo",
            ),
            (
                "s3://b?endpoint=minio.example&addressing-style=virtual",
                "https://b.minio.example/x.narinfo",
            ),
            (
                "s3://b/some/prefix/",
                "https://b.s3.us-east-1.amazonaws.com/some/prefix/x.narinfo",
            ),
        ] {
            assert_eq!(bucket(text).url(None, "x.narinfo"), expected, "{text}");
        }
        assert_eq!(
            bucket("s3://b/some/prefix/").to_string(),
            "s3://b/some/prefix"
        );
    }

    #[test]
    fn faults_of_buckets_are_found() {
        for text in [
            "s3://",
            "s3://a.b?addressing-style=virtual",
            "s3://b?addressing-style=other",
            "s3://b?scheme=ftp",
            "s3://b?endpoint=ftp://x",
            "s3://b?endpoint=https://user:s3cret@x",
            "s3://b?region=a%20b/c",
            "s3://b?endpoint=127.0.0.1&addressing-style=virtual",
            "s3://user:s3cret@b",
        ] {
            let error = Location::parse(text).unwrap_err();
            let shown = terrine_support::chain(&error);
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn requests_are_signed_by_their_url() {
        let credentials = S3Credentials::new("AKIDEXAMPLE", "s3cret", Some("to/ken"));
        let url = bucket("s3://b?region=eu-west-1").url(Some(&credentials), "nar/x.nar.xz");
        assert!(url.starts_with("https://b.s3.eu-west-1.amazonaws.com/nar/x.nar.xz?X-Amz-"));
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIDEXAMPLE%2F",
            "%2Feu-west-1%2Fs3%2Faws4_request",
            "X-Amz-Expires=86400",
            "X-Amz-Security-Token=to%2Fken",
            "X-Amz-SignedHeaders=host",
            "X-Amz-Signature=",
        ] {
            assert!(url.contains(part), "{part} in {url}");
        }
        assert!(!url.contains("s3cret"));
    }
}
