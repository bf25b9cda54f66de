//! The meaning of errors of connections.

use ureq::Timeout;
use ureq::http::Uri;

use super::error::{Cause, Failure};
use super::location;
use super::pace::Timeouts;

/// Says what an error of the connection to a URL means, after so many bytes of the answer.
pub(super) fn failure(uri: &Uri, error: ureq::Error, timeouts: &Timeouts, bytes: u64) -> Failure {
    let host = location::host(uri);
    let connection = |why: String| Cause::Connection {
        host: host.clone(),
        why,
    };
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Failure::passing(connection(
            format!("nothing for {} s", timeouts.connect.as_secs_f32()),
        )),
        ureq::Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => {
            Failure::passing(Cause::Silent {
                host,
                limit: timeouts.stall,
            })
        }
        ureq::Error::Timeout(_) => Failure::passing(Cause::Slow {
            host,
            bytes,
            time: timeouts.answer,
        }),
        ureq::Error::HostNotFound => connection("there is no such host".to_owned()).into(),
        ureq::Error::Rustls(error) => tls(host, &error),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => tls(host, error),
            None => Failure::passing(connection(error.to_string())),
        },
        ureq::Error::Protocol(error) => Failure::passing(Cause::Answer {
            host,
            why: super::answer::clean(&error.to_string(), 200),
        }),
        error @ (ureq::Error::ConnectionFailed | ureq::Error::BodyStalled) => {
            Failure::passing(connection(error.to_string()))
        }
        error => connection(super::answer::clean(&error.to_string(), 200)).into(),
    }
}

fn tls(host: String, error: &rustls::Error) -> Failure {
    match error {
        // What is no TLS at all has no content type.
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            Cause::NoTls(host).into()
        }
        rustls::Error::InvalidCertificate(error) => Cause::Certificate {
            host,
            why: certificate(error),
        }
        .into(),
        error => Failure::passing(Cause::Connection {
            host,
            why: error.to_string(),
        }),
    }
}

/// Says what is wrong with a certificate.
fn certificate(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError as E;
    match error {
        E::UnknownIssuer => "it is signed by an authority that is not known".to_owned(),
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        other => super::answer::clean(&other.to_string(), 200),
    }
}
