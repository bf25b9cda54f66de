//! The meaning of errors of connections.

use std::io;

use rustls::{AlertDescription, CertificateError};
use ureq::Timeout;
use ureq::http::{StatusCode, Uri};

use super::error::{Cause, Failure};
use super::location;
use super::pace::Timeouts;
use super::resolver::OutOfReach;

/// Says what an error of the connection to a URL means, after so many bytes of the answer.
pub(super) fn failure(uri: &Uri, error: ureq::Error, timeouts: &Timeouts, bytes: u64) -> Failure {
    let host = location::host(uri);
    let connection = |why: String| Cause::Connection {
        host: host.clone(),
        why,
    };
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Failure::passing(connection(
            format!("no answer within {} s", timeouts.connect.as_secs_f32()),
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
        ureq::Error::ConnectProxyFailed(why) => tunnel(&why, connection),
        ureq::Error::Tls(why) => connection(why.to_owned()).into(),
        ureq::Error::Io(error) => io_failure(host, &error),
        ureq::Error::Protocol(error) => Failure::passing(Cause::Answer {
            host,
            why: super::answer::clean(&error.to_string(), 200),
        }),
        error @ (ureq::Error::ConnectionFailed | ureq::Error::BodyStalled) => {
            Failure::passing(connection(error.to_string()))
        }
        ureq::Error::Other(error) if error.is::<OutOfReach>() => {
            Cause::Internal(location::without_query(uri)).into()
        }
        error => connection(super::answer::clean(&error.to_string(), 200)).into(),
    }
}

fn io_failure(host: String, error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => tls(host, error),
        None => {
            let why = error.to_string();
            Failure::passing(Cause::Connection { host, why })
        }
    }
}

/// The answer of a proxy that was asked for a tunnel, of which the library says `RESPONDED STATUS/STATUS`.
fn tunnel(said: &str, connection: impl Fn(String) -> Cause) -> Failure {
    let status = said.rsplit('/').next().and_then(|code| code.parse().ok());
    let status = status.and_then(|code: u16| StatusCode::from_u16(code).ok());
    match status {
        Some(status) if status.is_server_error() => {
            Failure::passing(connection(format!("it answers {status}")))
        }
        Some(status) => connection(format!("it answers {status}")).into(),
        None => Failure::passing(connection("it does not answer".to_owned())),
    }
}

fn tls(host: String, error: &rustls::Error) -> Failure {
    use rustls::Error as E;
    let connection = |host, why: &str| Cause::Connection {
        host,
        why: why.to_owned(),
    };
    match error {
        // What is no TLS at all has no content type.
        E::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Cause::NoTls(host).into(),
        E::InvalidCertificate(_) | E::NoCertificatesPresented => Cause::Certificate {
            host,
            why: certificate(error),
        }
        .into(),
        E::AlertReceived(alert) => {
            let why = alert_text(*alert);
            Failure::passing(Cause::Alert { host, why })
        }
        E::PeerIncompatible(_) => connection(
            host,
            "it supports no TLS version or cipher that terrine supports",
        )
        .into(),
        _ => Failure::passing(connection(host, "it violates the TLS protocol")),
    }
}

/// Says what a host means that ends a handshake.
fn alert_text(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let text = match alert {
        A::CertificateRequired | A::NoCertificate => "it requires a client certificate",
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied => "it does not accept the client certificate, or requires one",
        A::ProtocolVersion => "it uses another version of TLS",
        A::HandshakeFailure | A::InsufficientSecurity => {
            "it supports no TLS cipher that terrine supports, has only a certificate with a key that terrine cannot check, such as ECDSA P-521, or requires a client certificate"
        }
        A::UnrecognisedName => "it does not recognise this name",
        A::InternalError => "it reports an internal error",
        _ => return format!("it ends the TLS connection with alert {}", u8::from(alert)),
    };
    text.to_owned()
}

/// Says what is wrong with a certificate.
fn certificate(error: &rustls::Error) -> String {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else {
        return "the server presented none".to_owned();
    };
    let text = match error {
        E::UnknownIssuer => "it is signed by an unknown authority",
        E::Expired => "it has expired",
        E::NotValidYet => "it is not valid yet",
        E::ExpiredContext { not_after, .. } => {
            return format!("it has expired, on {}", day(not_after.as_secs()));
        }
        E::NotValidYetContext { not_before, .. } => {
            return format!("it is not valid yet, before {}", day(not_before.as_secs()));
        }
        E::NotValidForName => "it is for another name",
        E::NotValidForNameContext { presented, .. } => return names(presented),
        E::Revoked => "it is revoked",
        E::BadSignature => "its signature is wrong",
        E::BadEncoding => "it cannot be read",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "it is not for servers",
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its signature algorithm is not supported, such as SHA-1 or ECDSA P-521"
        }
        _ => "it is not supported",
    };
    text.to_owned()
}

/// The day of a time, counted in seconds from 1970.
fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "an unknown day".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// Says for which names a certificate is. The library has them as `KIND(NAME)`.
fn names(presented: &[String]) -> String {
    let names: Vec<String> = presented
        .iter()
        .filter_map(|name| {
            let (kind, name) = name.strip_suffix(')')?.split_once('(')?;
            let name = super::answer::clean(name.trim_matches('"'), 100);
            matches!(kind, "DnsName" | "IpAddress").then(|| format!("`{name}`"))
        })
        .take(5)
        .collect();
    match &names[..] {
        [] => "it has no name in its subjectAltName, and other names do not count".to_owned(),
        names => format!("it is for another name: {}", names.join(", ")),
    }
}
