//! Remedies for failures of servers, wherever in the source of an error they are.

use std::borrow::Cow;
use std::io;

use terrine_registry::{Cause, Error};
use terrine_support::hint::Hint;

/// Returns where credentials of a server are looked for, or what else helps.
pub(crate) fn of_web(error: &Error) -> Option<Cow<'_, str>> {
    match error.cause() {
        Cause::Unauthorized {
            host, login: None, ..
        } => Some(
            format!("write the credentials into a netrc file: `machine {host} login USER password PASSWORD`, without the port")
                .into(),
        ),
        Cause::Unauthorized { host, .. } => Some(
            format!("check the user name and the password for `{host}` in the URL or in the netrc file; a token goes in the place of the password").into(),
        ),
        Cause::Status { status, .. } if status.as_u16() == 403 => {
            Some("check the credentials of AWS, and the clock of this machine".into())
        }
        Cause::Connection { .. } | Cause::Stalled { .. } | Cause::Busy { .. } => {
            Some("check that the server runs, and try again, or use another cache".into())
        }
        Cause::Status { status, .. } if status.is_server_error() => {
            Some("try again later, or use another cache".into())
        }
        Cause::Size { .. } => Some(
            "try again, and if it happens again copy the path to the cache again".into(),
        ),
        Cause::Answer { .. } => {
            Some("check that the location is that of a binary cache".into())
        }
        _ => error.hint(),
    }
}

/// Returns the remedy for an error of a reader: of the server that it reads from, or of the decoder.
pub(crate) fn of_reader(error: &io::Error) -> Option<Cow<'_, str>> {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => of_web(error),
        None if is_of_system(error) => None,
        None => Some("the file is damaged: copy the path to the cache again".into()),
    }
}

/// Returns whether the operating system reported an error: a decoder's error has no number.
fn is_of_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_passes_on_the_remedy_for_its_source() {
        let broken = io::Error::new(io::ErrorKind::InvalidData, "bad block");
        assert!(of_reader(&broken).is_some_and(|hint| hint.contains("damaged")));
        assert_eq!(of_reader(&io::Error::from_raw_os_error(5)), None);
    }
}
