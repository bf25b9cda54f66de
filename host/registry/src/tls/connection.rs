//! Connections with TLS. The HTTP library's own take one configuration for all hosts, and none of the checks that
//! are needed here.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::super::location;
use super::folder::CertificatesError;
use super::trust::{Configuration, Trust};

/// The servers that are shown certificates of ours.
#[derive(Debug, Clone)]
pub(in super::super) enum Audience {
    /// A registry of this name, and the hosts that it leads to.
    Registry(String),
    /// Each host, with the certificates for itself.
    Host,
    /// No server.
    Nobody,
}

/// Encrypts connections.
#[derive(Debug, Clone)]
pub(in super::super) struct TlsConnector {
    pub(in super::super) trust: Arc<Trust>,
    pub(in super::super) audience: Audience,
}

impl TlsConnector {
    /// Returns what counts for the host of a URL.
    pub(in super::super) fn configuration(
        &self,
        uri: &Uri,
    ) -> Result<Configuration, CertificatesError> {
        let host = location::host(uri);
        let registry = match &self.audience {
            Audience::Registry(registry) => Some(registry.as_str()),
            Audience::Host => Some(host.as_str()),
            Audience::Nobody => None,
        };
        self.trust.configuration(registry, &host)
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, Encrypted>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(connection) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || connection.is_tls() {
            return Ok(Some(Either::A(connection)));
        }
        let configuration = self.configuration(details.uri).map_err(io::Error::other)?;
        let bare = details.uri.host().unwrap_or_default();
        let bare = bare.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| Error::Tls("a certificate cannot have its name"))?;
        let mut client =
            ClientConnection::new(configuration.client, name).map_err(io::Error::other)?;
        let mut socket =
            TransportAdapter::new(connection.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        client.complete_io(&mut socket)?;
        let sizes = (
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(Encrypted {
            buffers: LazyBuffers::new(sizes.0, sizes.1),
            stream: StreamOwned::new(client, socket),
        })))
    }
}

/// An encrypted connection.
pub(in super::super) struct Encrypted {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encrypted({:?})", self.stream.sock.inner())
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let count = self.stream.read(input)?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
