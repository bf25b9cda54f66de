//! Hosts that are spoken to without a proxy: the variable `NO_PROXY`, as Go and curl read it.

use std::net::IpAddr;

/// The list in `NO_PROXY`.
#[derive(Debug, Default)]
pub(super) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// Of that port alone.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Addresses that have so many bits in common with this one.
    Network(IpAddr, u32),
    /// The names below a domain, which starts with a dot, and the domain itself unless it was
    /// written with that dot.
    Domain {
        below: String,
        itself: bool,
    },
}

impl NoProxy {
    /// Reads a list. Entries that mean nothing are left out, as Go does.
    pub(super) fn parse(text: &str) -> Self {
        let entries = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter_map(Entry::parse)
            .collect();
        Self { entries }
    }

    /// Tells whether a host, without the brackets of addresses, is listed.
    pub(super) fn has(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|wanted| wanted == port) && entry.hosts.have(&host, address)
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            let (hosts, port) = (Hosts::All, None);
            return Some(Self { hosts, port });
        }
        if let Some(hosts) = network(&text) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = split_port(&text);
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
            .trim_end_matches('.');
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            let hosts = Hosts::Network(address, bits(address));
            return Some(Self { hosts, port });
        }
        let host = host.strip_prefix("*.").unwrap_or(host);
        let itself = !text.starts_with(['.', '*']);
        let below = format!(".{}", host.trim_start_matches('.'));
        if below == "." {
            return None;
        }
        let hosts = Hosts::Domain { below, itself };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn have(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Network(network, length) => {
                address.is_some_and(|address| is_in(address, *network, *length))
            }
            // An address is below no domain.
            Self::Domain { below, itself } => {
                address.is_none()
                    && (host.ends_with(below.as_str()) || (*itself && host == &below[1..]))
            }
        }
    }
}

/// A network in the notation of RFC 4632: an address, and how many of its bits count.
fn network(text: &str) -> Option<Hosts> {
    let (address, length) = text.split_once('/')?;
    let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse().ok()?);
    (length <= bits(address)).then_some(Hosts::Network(address, length))
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let different = number(address) ^ number(network);
    // A shift by all bits is none.
    address.is_ipv4() == network.is_ipv4() && different.checked_shr(128 - length).unwrap_or(0) == 0
}

/// The port after a host. An address of IPv6 has colons itself, and a port only after brackets.
fn split_port(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_go_and_curl_do() {
        let cases: &[(&str, &str, u16, bool)] = &[
            ("", "a.b", 443, false),
            (",, ,", "a.b", 443, false),
            (".", "a.b", 443, false),
            ("*", "a.b", 443, true),
            ("x.y,*", "a.b", 443, true),
            // With and without a dot.
            ("example.com", "example.com", 443, true),
            ("example.com", "registry.example.com", 443, true),
            ("example.com", "a.b.example.com", 443, true),
            ("example.com", "notexample.com", 443, false),
            ("example.com", "example.com.evil", 443, false),
            (".example.com", "registry.example.com", 443, true),
            (".example.com", "example.com", 443, false),
            ("*.example.com", "registry.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("com", "example.com", 443, true),
            ("example.*", "example.com", 443, false),
            // Case, blanks, dots at the end.
            ("EXAMPLE.com", "Registry.Example.COM", 443, true),
            ("a.b, example.com ,c.d", "example.com", 443, true),
            ("a.b example.com", "example.com", 443, true),
            ("a.b,\texample.com\n", "example.com", 443, true),
            ("example.com.", "example.com", 443, true),
            ("example.com", "example.com.", 443, true),
            // Ports.
            ("example.com:5000", "example.com", 5000, true),
            ("example.com:5000", "example.com", 443, false),
            (".example.com:5000", "a.example.com", 5000, true),
            ("*.example.com:5000", "a.example.com", 443, false),
            ("10.0.0.1:5000", "10.0.0.1", 5000, true),
            ("10.0.0.1:5000", "10.0.0.1", 5001, false),
            ("[fd00::1]:5000", "fd00::1", 5000, true),
            ("[fd00::1]:5000", "fd00::1", 443, false),
            (":5000", "a.b", 5000, false),
            // Addresses and networks.
            ("10.0.0.1", "10.0.0.1", 443, true),
            ("10.0.0.1", "10.0.0.10", 443, false),
            ("fd00::1", "fd00:0::1", 443, true),
            ("[fd00::1]", "fd00::1", 443, true),
            ("::ffff:10.0.0.1", "10.0.0.1", 443, true),
            ("10.0.0.0/8", "10.255.1.2", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("10.1.2.3/8", "10.9.9.9", 443, true),
            ("0.0.0.0/0", "1.2.3.4", 443, true),
            ("0.0.0.0/0", "fd00::1", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("fd00::/8", "fe80::1", 443, false),
            ("::/0", "fe80::1", 443, true),
            ("10.0.0.0/33", "10.0.0.1", 443, false),
            ("10.0.0.0/8", "example.com", 443, false),
            // An address is no domain.
            ("0.0.1", "10.0.0.1", 443, false),
        ];
        for (list, host, port, expected) in cases {
            let listed = NoProxy::parse(list).has(host, *port);
            assert_eq!(listed, *expected, "`{list}` has `{host}:{port}`");
        }
    }
}
