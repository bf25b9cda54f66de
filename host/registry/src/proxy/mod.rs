//! Proxies: which one a request goes by, as the environment says.
//!
//! The variables are read as Go and curl read them, and so as skopeo, podman and docker do. What is encrypted goes
//! through a tunnel (`CONNECT`); what is not is forwarded, with the whole URL in the request line.

mod forward;
mod no_proxy;

use std::ffi::OsString;

use ureq::http::uri::Authority;
use ureq::http::{HeaderValue, Uri};
use ureq::{Proxy, ProxyProtocol};

use super::error::Cause;
use super::location;
use super::token::basic;
use no_proxy::NoProxy;

pub(super) use forward::Forwarding;

/// The proxies of the environment. None by default.
#[derive(Debug, Default)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    without: NoProxy,
}

/// A variable that names a proxy.
#[derive(Debug, Clone)]
struct Setting {
    variable: &'static str,
    /// The proxy, or what is wrong with its URL.
    proxy: Result<Proxy, String>,
}

/// The proxy that a request goes by.
#[derive(Debug)]
pub(super) struct Route<'a> {
    variable: &'static str,
    pub(super) proxy: &'a Proxy,
    /// Forwarded, and not in a tunnel.
    is_forwarded: bool,
}

impl Proxies {
    /// Reads the environment, which is given as a function: `HTTPS_PROXY`, `HTTP_PROXY`, for both
    /// `ALL_PROXY`, and `NO_PROXY`, each in lower case as well.
    ///
    /// Where `REQUEST_METHOD` is set, `HTTP_PROXY` may be a header of a request that this process answers
    /// by CGI, and does not count.
    pub fn of_environment(environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| environment(name).filter(|value| !value.is_empty());
        let setting = |names: &[&'static str]| {
            names.iter().find_map(|variable| {
                let proxy = match value(variable)?.to_str().map(str::trim) {
                    Some("") => return None,
                    Some(text) => parse(text),
                    None => Err("it is not UTF-8".to_owned()),
                };
                Some(Setting { variable, proxy })
            })
        };
        let is_cgi = value("REQUEST_METHOD").is_some();
        let http: &[&str] = if is_cgi {
            &["http_proxy"]
        } else {
            &["HTTP_PROXY", "http_proxy"]
        };
        let all = ["ALL_PROXY", "all_proxy"];
        let without = ["NO_PROXY", "no_proxy"].into_iter().find_map(value);
        Self {
            http: setting(http).or_else(|| setting(&all)),
            https: setting(&["HTTPS_PROXY", "https_proxy"]).or_else(|| setting(&all)),
            without: NoProxy::parse(&without.unwrap_or_default().to_string_lossy()),
        }
    }

    /// Returns the proxy for a URL. This machine itself is reached without one.
    pub(super) fn route(&self, uri: &Uri) -> Result<Option<Route<'_>>, Cause> {
        let is_https = location::is_https(uri);
        let setting = if is_https { &self.https } else { &self.http };
        let (Some(setting), Some(host)) = (setting, uri.host()) else {
            return Ok(None);
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        if location::is_loopback(host) || self.without.has(bare, port) {
            return Ok(None);
        }
        match &setting.proxy {
            Ok(proxy) => Ok(Some(Route {
                variable: setting.variable,
                proxy,
                is_forwarded: !is_https && is_http(proxy),
            })),
            Err(why) => Err(Cause::ProxyUrl {
                variable: setting.variable,
                why: why.clone(),
            }),
        }
    }
}

impl Route<'_> {
    /// Returns what a forwarded request has for its `Proxy-Authorization`. A tunnel is asked for with it.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let user = self.proxy.username().filter(|_| self.is_forwarded)?;
        Some(basic(user, self.proxy.password().unwrap_or_default()))
    }

    /// Names the proxy in the failure of a connection that goes by it.
    pub(super) fn explain(&self, cause: Cause) -> Cause {
        match cause {
            Cause::Connection { host, why } => self.failed(host, why),
            other => other,
        }
    }

    /// Says that the proxy does not let a request through.
    pub(super) fn failed(&self, host: String, why: String) -> Cause {
        Cause::Proxy {
            host,
            proxy: format!("{}:{}", self.proxy.host(), self.proxy.port()),
            variable: self.variable,
            why,
        }
    }
}

/// Tells whether a proxy speaks HTTP itself, over TLS or not.
fn is_http(proxy: &Proxy) -> bool {
    matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
}

/// Reads the URL of a proxy, or its host and port alone. Why it is none is said without the URL, which
/// may hold a password.
fn parse(text: &str) -> Result<Proxy, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        // Names are left to the proxy, as Go does: it may know others than this machine.
        "socks" | "socks5" => "socks5h".to_owned(),
        scheme @ ("http" | "https" | "socks4" | "socks4a" | "socks5h") => scheme.to_owned(),
        _ => return Err("it is not the URL of an HTTP or a SOCKS proxy".to_owned()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') {
        return Err("its user or its password has a `/`".to_owned());
    }
    let parsed: Option<Authority> = authority.parse().ok();
    let parsed = parsed.filter(|authority| !authority.host().is_empty());
    let parsed = parsed
        .ok_or_else(|| "it has no host, or characters that are invalid in a URL".to_owned())?;
    let port = authority.rsplit('@').next().unwrap_or_default();
    let port = port.strip_prefix(parsed.host()).unwrap_or_default();
    if port.len() > 1 && parsed.port_u16().is_none_or(|port| port == 0) {
        return Err("its port is not a number from 1 to 65535".to_owned());
    }
    Proxy::new(&format!("{scheme}://{authority}"))
        .map_err(|_| "its user or its password is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of_environment(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        })
    }

    /// The variable and the place of the proxy for a URL.
    fn route(variables: &[(&str, &str)], url: &str) -> Result<String, String> {
        let proxies = proxies(variables);
        let route = proxies.route(&url.parse().unwrap());
        let route = route.map_err(|error| error.to_string())?;
        Ok(route.map_or_else(String::new, |route| {
            let (proxy, kind) = (
                route.proxy,
                if route.is_forwarded { " forwarded" } else { "" },
            );
            format!("{} {}:{}{kind}", route.variable, proxy.host(), proxy.port())
        }))
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let both = [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "p:2")];
        for (variables, url, expected) in [
            (&both[..], "https://a.b/", "HTTPS_PROXY s:1"),
            (&both[..], "http://a.b/", "http_proxy p:2 forwarded"),
            (&both[..1], "http://a.b/", ""),
            (&both[1..], "https://a.b/", ""),
            (
                &[("HTTPS_PROXY", ""), ("https_proxy", "x")],
                "https://a.b",
                "https_proxy x:80",
            ),
            (
                &[("all_proxy", "https://x/")],
                "https://a.b",
                "all_proxy x:443",
            ),
            (
                &[("ALL_PROXY", "https://x/")],
                "http://a.b",
                "ALL_PROXY x:443 forwarded",
            ),
            (
                &[("ALL_PROXY", "socks5://x")],
                "http://a.b",
                "ALL_PROXY x:1080",
            ),
            (
                &[("ALL_PROXY", "x"), ("HTTP_PROXY", " y:3 ")],
                "http://a.b",
                "HTTP_PROXY y:3 forwarded",
            ),
            // By CGI a header becomes a variable.
            (
                &[("HTTP_PROXY", "x"), ("REQUEST_METHOD", "GET")],
                "http://a.b",
                "",
            ),
            (
                &[("http_proxy", "x"), ("REQUEST_METHOD", "GET")],
                "http://a.b",
                "http_proxy x:80 forwarded",
            ),
            (
                &[("HTTPS_PROXY", "x"), ("REQUEST_METHOD", "GET")],
                "https://a.b",
                "HTTPS_PROXY x:80",
            ),
            // This machine.
            (&both[..], "https://localhost:5000/", ""),
            (&both[..], "http://127.0.0.2/", ""),
            (&both[..], "https://[::1]:5000/", ""),
            (
                &[("HTTPS_PROXY", "x"), ("NO_PROXY", "a.b:443")],
                "https://c.a.b",
                "",
            ),
            (
                &[("HTTPS_PROXY", "x"), ("no_proxy", "[fd00::1]")],
                "https://[fd00::1]:5000",
                "",
            ),
            (
                &[("HTTPS_PROXY", "x"), ("no_proxy", "fd00::/8")],
                "https://[fd00::1]:5000",
                "",
            ),
        ] {
            assert_eq!(
                route(variables, url),
                Ok(expected.to_owned()),
                "{variables:?} {url}"
            );
        }
    }

    #[test]
    fn logins_are_in_the_url() {
        for (url, expected) in [
            ("http://user:secret@x:1", Some("Basic dXNlcjpzZWNyZXQ=")),
            ("user:secret@x:1", Some("Basic dXNlcjpzZWNyZXQ=")),
            ("http://user:sec%72et@x", Some("Basic dXNlcjpzZWNyZXQ=")),
            ("http://x", None),
        ] {
            let proxies = proxies(&[("http_proxy", url)]);
            let route = proxies.route(&Uri::from_static("http://a.b/")).unwrap();
            let sent = route.unwrap().authorization();
            assert_eq!(sent.as_ref().map(|value| value.to_str().unwrap()), expected);
            assert!(!format!("{proxies:?}").contains("secret"), "{proxies:?}");
        }
    }

    #[test]
    fn broken_urls_are_told_and_not_shown() {
        for (url, why) in [
            (
                "ftp://user:secret@x",
                "it is not the URL of an HTTP or a SOCKS proxy",
            ),
            (
                "http://user:sec/ret@x",
                "its user or its password has a `/`",
            ),
            (
                "http://",
                "it has no host, or characters that are invalid in a URL",
            ),
            (
                "http://user:secret@",
                "it has no host, or characters that are invalid in a URL",
            ),
            (
                "http://a secret",
                "it has no host, or characters that are invalid in a URL",
            ),
            ("http://x:99999", "its port is not a number from 1 to 65535"),
            ("x:0", "its port is not a number from 1 to 65535"),
            (
                "http://x:secret",
                "its port is not a number from 1 to 65535",
            ),
            (
                "http://user:%ffsecret@x",
                "its user or its password is not UTF-8",
            ),
        ] {
            let error = route(&[("https_proxy", url)], "https://a.b/").unwrap_err();
            let expected = format!("`https_proxy` is not a valid proxy URL: {why}");
            assert!(
                error == expected || url == "http://x:secret",
                "{url}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
            // What is not used does not matter.
            assert_eq!(
                route(&[("https_proxy", url)], "http://a.b/"),
                Ok(String::new())
            );
        }
    }
}
