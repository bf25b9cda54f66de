//! Plain HTTP by a proxy: the request goes to the proxy, and its first line has the whole URL (RFC 9112
//! section 3.2.2). The HTTP library asks for a tunnel instead, which many proxies refuse for other ports than 443.

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport,
};

use super::super::location;
use super::super::tls::TlsConnector;
use super::is_http;

/// Connects to the proxy of what is not encrypted, and does nothing for other requests.
#[derive(Debug)]
pub(in super::super) struct Forwarding {
    /// For a proxy that speaks TLS itself.
    pub(in super::super) tls: TlsConnector,
}

impl Connector for Forwarding {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let proxy = details.config.proxy().filter(|proxy| is_http(proxy));
        let Some(proxy) = proxy.filter(|_| !details.needs_tls()) else {
            return Ok(None);
        };
        let addrs = details
            .resolver
            .resolve(proxy.uri(), details.config, details.timeout)?;
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let tcp: Option<Either<(), _>> = TcpConnector::default().connect(&to_proxy, None)?;
        let connection = self.tls.connect(&to_proxy, tcp)?;
        let origin = format!("http://{}", location::host(details.uri));
        Ok(connection.map(|connection| -> Box<dyn Transport> {
            Box::new(Forwarded {
                connection,
                heads: Heads::new(origin),
            })
        }))
    }
}

/// A connection to a proxy that forwards.
#[derive(Debug)]
struct Forwarded<T> {
    connection: T,
    heads: Heads,
}

impl<T: Transport> Transport for Forwarded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.heads.skip(amount as u64) {
            return self.connection.transmit_output(amount, timeout);
        }
        let bytes = self.connection.buffers().output()[..amount].to_vec();
        let mut rest = &self.heads.rewrite(&bytes)[..];
        while !rest.is_empty() {
            let output = self.connection.buffers().output();
            let count = rest.len().min(output.len());
            output[..count].copy_from_slice(&rest[..count]);
            self.connection.transmit_output(count, timeout)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.connection.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }
}

/// The heads of requests in what is sent. Bodies have a `Content-Length`: the client gives each one.
#[derive(Debug)]
struct Heads {
    origin: String,
    /// The start of a line of a head that is not whole yet.
    line: Vec<u8>,
    is_first_line: bool,
    /// The length of the body after this head.
    length: u64,
    /// The number of bytes of the body that are still to come.
    left: u64,
}

impl Heads {
    fn new(origin: String) -> Self {
        Self {
            origin,
            line: vec![],
            is_first_line: true,
            length: 0,
            left: 0,
        }
    }

    /// Counts bytes that are all of a body, and tells whether they are.
    fn skip(&mut self, count: u64) -> bool {
        let all = count <= self.left;
        if all {
            self.left -= count;
        }
        all
    }

    /// Returns bytes with the origin in the first line of each head.
    fn rewrite(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + self.origin.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left > 0 {
                let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (body, next) = rest.split_at(rest.len().min(most));
                self.left -= body.len() as u64;
                out.extend_from_slice(body);
                rest = next;
                continue;
            }
            let end = rest.iter().position(|&byte| byte == b'\n');
            let (line, next) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            self.line.extend_from_slice(line);
            rest = next;
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                self.end_line(&line, &mut out);
            }
        }
        out
    }

    fn end_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.is_first_line {
            self.is_first_line = false;
            let blank = line.iter().position(|&byte| byte == b' ');
            let (method, rest) = line.split_at(blank.map_or(0, |blank| blank + 1));
            out.extend_from_slice(method);
            out.extend_from_slice(self.origin.as_bytes());
            out.extend_from_slice(rest);
            return;
        }
        out.extend_from_slice(line);
        let text = std::str::from_utf8(line).unwrap_or_default().trim();
        if text.is_empty() {
            self.left = std::mem::take(&mut self.length);
            self.is_first_line = true;
        } else if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            self.length = value.trim().parse().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_get_the_origin_and_bodies_stay() {
        let sent = "PUT /a HTTP/1.1\r\nContent-Length: 13\r\n\r\nGET /b HTTP/1GET /c HTTP/1.1\r\nhost: x\r\n\r\n";
        let expected = sent
            .replace("PUT /a", "PUT http://r:5000/a")
            .replace("GET /c", "GET http://r:5000/c");
        for size in 1..=sent.len() {
            let mut heads = Heads::new("http://r:5000".to_owned());
            let mut out = vec![];
            for part in sent.as_bytes().chunks(size) {
                if heads.skip(part.len() as u64) {
                    out.extend_from_slice(part);
                } else {
                    out.extend(heads.rewrite(part));
                }
            }
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{size}");
        }
    }
}
