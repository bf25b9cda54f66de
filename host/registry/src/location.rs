//! URLs: where a `Location` leads, and whether that is still the same host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::http::Uri;
use ureq::http::uri::Scheme;

/// Returns the URL that `text` means in an answer of `base` (RFC 3986 section 5.2): absolute, or
/// relative to the host or to the path. A fragment is dropped.
pub(super) fn resolve(base: &Uri, text: &str) -> Option<Uri> {
    resolve_bytes(base, text.as_bytes())
}

/// The same of the bytes of a header. As in other clients, what URLs cannot have is percent-encoded, but in the host.
pub(super) fn resolve_bytes(base: &Uri, bytes: &[u8]) -> Option<Uri> {
    let text = encode_odd(bytes.trim_ascii());
    let text = text.as_str();
    let text = text.split('#').next().unwrap_or_default().trim();
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let path = base.path();
    let absolute = if text.contains("://") && !text.starts_with(['/', '?']) {
        text.to_owned()
    } else if text.starts_with("//") {
        format!("{scheme}:{text}")
    } else if text.starts_with('/') {
        format!("{scheme}://{authority}{text}")
    } else if text.starts_with('?') {
        format!("{scheme}://{authority}{path}{text}")
    } else if text.is_empty() {
        return None;
    } else {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{text}")
    };
    let uri: Uri = absolute.parse().ok()?;
    let authority = uri.authority()?;
    let known = is_https(&uri) || uri.scheme() == Some(&Scheme::HTTP);
    // A user and a password in a URL would go into error messages.
    (known && !authority.as_str().contains('@') && !authority.host().is_empty()).then_some(uri)
}

/// Percent-encodes the bytes that no URL can have.
fn encode_odd(bytes: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => format!("%{byte:02X}"),
        0x21..=0x7e => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(encode).collect()
}

/// Reads a URL that leads to a server by itself.
pub(super) fn absolute(text: &str) -> Option<Uri> {
    let text = text.trim();
    let (scheme, _) = text.split_once("://")?;
    let is_known = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| resolve(&Uri::from_static("https://localhost/"), text))?
}

/// Returns a URL for a message: its query may hold a secret.
pub(super) fn without_query(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    format!("{scheme}://{}{}", host(uri), uri.path())
}

/// Returns text of a stranger that should be a URL for a message: without what may be secret, a login and the query.
/// If it is not clear how far a login goes, only the scheme is left.
pub fn shown(text: &str) -> String {
    let (scheme, authority, rest) = parts(text);
    let host = authority.rsplit('@').next().unwrap_or_default();
    // A password with `/`, `?` or `#` ends the host too early: then its `@` follows, or there is no port.
    if rest.contains('@') || !has_port(host) {
        return format!("{scheme}…");
    }
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

/// Returns what should name a registry, or some of its repositories, for a message: without a login before it, and
/// without a query. What is no port after a colon may be a password.
pub(super) fn shown_server(text: &str) -> String {
    let text = text.trim();
    let (hidden, name) = match text.rsplit_once('@') {
        // It is not clear what is before the `@`.
        Some((login, _)) if login.contains(['?', '#']) => return "…".to_owned(),
        Some((_, name)) => ("…@", name),
        None => ("", text),
    };
    let end = name.find(['?', '#']).unwrap_or(name.len());
    let (name, query) = name.split_at(end);
    let start = name.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = name.split_at(start);
    match split_port(rest.split('/').next().unwrap_or_default()) {
        (host, Some(port)) if !is_port(port) => format!("{hidden}{scheme}{host}:…"),
        _ if query.is_empty() => format!("{hidden}{name}"),
        _ => format!("{hidden}{name}?…"),
    }
}

/// Splits a host into its name, which may be an address in brackets, and what is after its colon.
pub(super) fn split_port(host: &str) -> (&str, Option<&str>) {
    let end = host.rfind(']').map_or(0, |at| at + 1);
    match host[end..].split_once(':') {
        Some((name, port)) => (&host[..end + name.len()], Some(port)),
        None => (host, None),
    }
}

/// Tells whether text is a port that a server can have.
pub(super) fn is_port(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Tells whether a URL has a user or a password.
pub(super) fn has_login(text: &str) -> bool {
    let (scheme, authority, _) = parts(text);
    !scheme.is_empty() && authority.contains('@')
}

/// Splits text that should be a URL into its scheme, its authority and the rest.
fn parts(text: &str) -> (&str, &str, &str) {
    let text = text.trim();
    let start = match text.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => scheme.len() + "://".len(),
        _ => 0,
    };
    let (scheme, rest) = text.split_at(start);
    // Browsers, and so some users, take a backslash for a slash.
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    (scheme, authority, rest)
}

/// Tells whether text is a scheme (RFC 3986 section 3.1). Other text before `://` may hold a login.
pub fn is_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_part)
}

/// Tells whether a host has a port, an empty one, or none, and not other text in the place of one.
fn has_port(host: &str) -> bool {
    let port = match host.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => host.split_once(':'),
    };
    port.is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Adds a parameter to the query.
pub(super) fn with_parameter(uri: &Uri, name: &str, value: &str) -> Option<Uri> {
    let text = uri.to_string();
    let separator = if uri.query().is_some() { '&' } else { '?' };
    // `a?` has an empty query already.
    let text = text.strip_suffix('?').unwrap_or(&text);
    let separator = if uri.query() == Some("") {
        '?'
    } else {
        separator
    };
    format!("{text}{separator}{name}={}", encode(value))
        .parse()
        .ok()
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Reports whether scheme, host and port are the same, so that credentials may be sent there.
pub(super) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme()
        && port(one) == port(other)
        && one.host().is_some_and(|host| {
            other
                .host()
                .is_some_and(|other| host.eq_ignore_ascii_case(other))
        })
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16()
        .unwrap_or(if is_https(uri) { 443 } else { 80 })
}

/// Reports whether a URL is encrypted.
pub(super) fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// Reports whether a host, possibly with a port, is this machine: `localhost`, 127.0.0.0/8 or
/// `[::1]`.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Tells whether a host, possibly with a port, is an address that means another machine in every network, or this one:
/// `localhost` and addresses that are loopback, private, link-local, shared or unspecified. Numbers that only look
/// like an address are one to resolvers, and count as such.
pub(super) fn is_internal(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let host = rest.split(']').next().unwrap_or_default();
        return host.parse().map_or(true, is_internal_v6);
    }
    let host = authority.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    match host.parse() {
        Ok(address) => is_internal_v4(address),
        Err(_) => last == "localhost" || last.starts_with(|first: char| first.is_ascii_digit()),
    }
}

/// Tells whether an address means another machine in every network, or this one.
pub(super) fn is_internal_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => is_internal_v6(address),
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || first == 0
        // Addresses that providers share (RFC 6598).
        || first == 100 && second & 0xc0 == 64
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    address.is_loopback()
        || address.is_unspecified()
        || first & 0xffc0 == 0xfe80
        || first & 0xfe00 == 0xfc00
        || address.to_ipv4().is_some_and(is_internal_v4)
}

/// The start of a registry's API in a URL, up to `/v2/`; none if it is not part of one.
pub(super) fn api(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let end = path.find("/v2/")? + "/v2/".len();
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    format!("{scheme}://{authority}{}", &path[..end])
        .parse()
        .ok()
}

/// The name of the repository in a URL of a registry's API.
pub(super) fn repository(uri: &Uri) -> Option<&str> {
    let (_, rest) = uri.path().split_once("/v2/")?;
    let ends = ["/manifests/", "/blobs/"].map(|kind| rest.rfind(kind));
    Some(&rest[..ends.into_iter().max()??])
}

/// Returns the name of a URL's host for errors, with its port if the URL has one.
pub(super) fn host(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

/// Returns the name of the registry that a URL's host would be: without the port that is meant anyway.
pub(super) fn name(uri: &Uri) -> String {
    let host = host(uri);
    let default = if is_https(uri) { ":443" } else { ":80" };
    host.strip_suffix(default).unwrap_or(&host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn locations_are_resolved() {
        let base = uri("https://ghcr.io:8443/v2/a/blobs/uploads/?x=1");
        for (text, expected) in [
            ("https://other/x?y#z", "https://other/x?y"),
            ("http://other/", "http://other/"),
            ("//other:1/x", "https://other:1/x"),
            (
                "/v2/u/1?state=a%2Fb",
                "https://ghcr.io:8443/v2/u/1?state=a%2Fb",
            ),
            ("1234", "https://ghcr.io:8443/v2/a/blobs/uploads/1234"),
            ("?n=2", "https://ghcr.io:8443/v2/a/blobs/uploads/?n=2"),
            (" /x ", "https://ghcr.io:8443/x"),
            ("/x?to=http://y", "https://ghcr.io:8443/x?to=http://y"),
            ("/a b?c d", "https://ghcr.io:8443/a%20b?c%20d"),
            (
                "/ü^`?q={\"|\"}",
                "https://ghcr.io:8443/%C3%BC%5E%60?q=%7B%22%7C%22%7D",
            ),
            ("https://a/%7Bb|", "https://a/%7Bb%7C"),
        ] {
            assert_eq!(resolve(&base, text), Some(uri(expected)), "{text}");
        }
        for text in [
            "",
            "#x",
            "ftp://a/b",
            "https://user:secret@a/",
            "https:///x",
            "https://a b/",
            "https://ü/",
            "https://a|b/x",
            "file:///x",
        ] {
            assert_eq!(resolve(&base, text), None, "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (text, expected, has_login) in [
            ("https://a/b?sig=s3cret#s3cret", "https://a/b", false),
            ("https://user:s3cret@a:1/b?c", "https://a:1/b", true),
            ("https://s3cret@@[::1]:1/b", "https://[::1]:1/b", true),
            ("ftp://user:s3cret@a/@b", "ftp://…", true),
            ("https://s3cret/s3cret@a/b", "https://…", false),
            ("https://user:5/s3cret@a/b", "https://…", false),
            ("https://user:5?s3cret@a/b", "https://…", false),
            ("https://user:5#s3cret@a/b", "https://…", false),
            ("https://user:5\\s3cret@a/b", "https://…", false),
            ("https://user@corp:5/s3cret@a/b", "https://…", true),
            ("https:/user:s3cret@a/b", "…", false),
            ("https:user:s3cret@a://b", "a://b", false),
            ("https:/user:s3cret@a://b", "…", false),
            ("1user:s3cret@a://b", "a://b", false),
            ("user:s3cret@a/b", "a/b", false),
            ("https://user:s3/cret@a/b", "https://…", false),
            ("https://user:s3?cret@a/b", "https://…", false),
            ("file:///etc/passwd", "file:///etc/passwd", false),
            ("", "", false),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            assert_eq!(super::has_login(text), has_login, "{text}");
        }
    }

    #[test]
    fn names_of_registries_are_shown_without_secrets() {
        for (text, expected) in [
            ("ghcr.io", "ghcr.io"),
            ("quay.io/acme/web", "quay.io/acme/web"),
            ("https://index.docker.io/v1/", "https://index.docker.io/v1/"),
            ("localhost:5000/x", "localhost:5000/x"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::1]", "[::1]"),
            ("user:s3cret", "user:…"),
            ("user:s3cret/x", "user:…"),
            ("user:70000", "user:…"),
            ("user:0", "user:…"),
            ("user:s3:5", "user:…"),
            ("[::1]:s3cret", "[::1]:…"),
            ("https://user:s3cret", "https://user:…"),
            ("user:s3cret@a.b/x", "…@a.b/x"),
            ("https://user:s3@cret@a.b:5/v1/", "…@a.b:5/v1/"),
            ("user@a.b:s3cret", "…@a.b:…"),
            ("a.b?token=s3cret", "a.b?…"),
            ("https://a.b/v1/?s3cret", "https://a.b/v1/?…"),
            ("a.b#s3cret", "a.b?…"),
            ("a.b?mail=c@s3cret", "…"),
            ("user:s3cret@a.b?s3cret", "…@a.b?…"),
            ("a b", "a b"),
            ("", ""),
        ] {
            assert_eq!(shown_server(text), expected, "{text}");
        }
    }

    #[test]
    fn internal_addresses_are_known() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("a.LOCALHOST.", true),
            ("127.1.2.3:80", true),
            ("10.0.0.1", true),
            ("172.31.0.1", true),
            ("192.168.1.1:5000", true),
            ("169.254.169.254", true),
            ("100.64.0.1", true),
            ("0.0.0.0", true),
            ("2130706433", true),
            ("0x7f.1", true),
            ("127.1", true),
            ("[::1]:5000", true),
            ("[::]", true),
            ("[fe80::1]", true),
            ("[fd00::1]", true),
            ("[::ffff:10.0.0.1]", true),
            ("[fe80::1%25eth0]", true),
            ("1.1.1.1", false),
            ("172.32.0.1", false),
            ("[2606:4700::1111]:443", false),
            ("10.example", false),
            ("localhost.example:80", false),
            ("registry.example", false),
        ] {
            assert_eq!(is_internal(host), expected, "{host}");
        }
    }

    #[test]
    fn parameters_are_added() {
        for (text, expected) in [
            ("http://a/b", "http://a/b?digest=sha256%3A0"),
            ("http://a/b?", "http://a/b?digest=sha256%3A0"),
            ("http://a/b?c=d%3D", "http://a/b?c=d%3D&digest=sha256%3A0"),
        ] {
            assert_eq!(
                with_parameter(&uri(text), "digest", "sha256:0"),
                Some(uri(expected))
            );
        }
        assert_eq!(encode("a b/ü"), "a%20b%2F%C3%BC");
    }

    #[test]
    fn parts_of_the_api_are_found() {
        for (text, api_of, name) in [
            ("http://a/v2/x/manifests/1", Some("http://a/v2/"), Some("x")),
            (
                "https://a:1/p/v2/x/y/blobs/uploads/?z",
                Some("https://a:1/p/v2/"),
                Some("x/y"),
            ),
            (
                "https://a/v2/blobs/blobs/z",
                Some("https://a/v2/"),
                Some("blobs"),
            ),
            ("https://a/v2/", Some("https://a/v2/"), None),
            ("https://a/v2/manifests/x", Some("https://a/v2/"), None),
            ("https://a/store?x=/v2/", None, None),
        ] {
            let text = uri(text);
            assert_eq!(api(&text), api_of.map(uri), "{text}");
            assert_eq!(repository(&text), name, "{text}");
        }
    }

    #[test]
    fn origins_and_loopback() {
        let base = uri("https://ghcr.io/x");
        assert!(is_same_origin(&base, &uri("https://GHCR.io:443/y")));
        for other in [
            "http://ghcr.io/x",
            "https://ghcr.io:444/x",
            "https://ghcr.io.example/x",
        ] {
            assert!(!is_same_origin(&base, &uri(other)), "{other}");
        }
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:5000", true),
            ("127.1.2.3:5000", true),
            ("[::1]:5000", true),
            ("[::2]", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("128.0.0.1", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
