//! Errors of the arguments.

use std::path::Path;

use clap::error::{ContextKind, ContextValue};

/// Takes away advice that is wrong here: that an option that nobody knows may be meant as a value, unless there is a
/// file of that name.
pub(crate) fn tidy(mut error: clap::Error) -> clap::Error {
    let names_file = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => Path::new(argument).exists(),
        _ => false,
    };
    if names_file {
        return error;
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) {
        let tips: Vec<_> = tips
            .into_iter()
            .filter(|tip| !tip.to_string().contains("as a value, use"))
            .collect();
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    error
}

/// The message and the remedy of an error as it is rendered without colours.
pub(super) fn parts(rendered: &str) -> (String, Option<String>) {
    let (mut message, mut hints) = (vec![], vec![]);
    for line in rendered
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let tip = ["tip: ", "Usage: ", "For more information"]
            .iter()
            .any(|start| line.starts_with(start));
        if tip || !hints.is_empty() {
            hints.push(line.strip_prefix("tip: ").unwrap_or(line));
        } else {
            message.push(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    let hint = (!hints.is_empty()).then(|| hints.join("\n"));
    (message.join("\n"), hint)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn error(arguments: &[&str]) -> clap::Error {
        Command::new("x")
            .arg(Arg::new("platform").long("platform"))
            .arg(Arg::new("file"))
            .try_get_matches_from(arguments)
            .unwrap_err()
    }

    #[test]
    fn wrong_advice_is_not_given() {
        let said = error(&["x", "--all"]);
        assert!(said.to_string().contains("as a value"), "{said}");
        let said = tidy(said).to_string();
        assert!(said.contains("unexpected argument '--all'"), "{said}");
        assert!(!said.contains("tip"), "{said}");
        // Right advice stays.
        let said = tidy(error(&["x", "--platfrom"])).to_string();
        assert!(
            said.contains("a similar argument exists: '--platform'"),
            "{said}"
        );
    }

    #[test]
    fn an_error_has_a_message_and_a_remedy() {
        let (message, hint) = parts(&error(&["x", "--platfrom"]).to_string());
        assert_eq!(message, "unexpected argument '--platfrom' found");
        let hint = hint.unwrap();
        assert!(hint.starts_with("a similar argument exists"), "{hint}");
        assert!(hint.contains("Usage: x"), "{hint}");
    }
}
