//! `terrine logout`: a login is dropped wherever terrine would find it.

use std::str::FromStr;

use terrine::registry::{Logins, ServerName};

use super::failure::{Failure, Result};
use super::login;
use super::printer::Printer;
use super::registry_args::AuthfileArgs;

/// Log out of a registry
///
/// Removes the credentials for the registry from all files that terrine reads and from the
/// credential helpers of these files. Credentials that docker, podman or skopeo stored are removed,
/// too. Prints nothing to stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Registry, or a namespace in it, as for `terrine login`
    #[arg(default_value = "docker.io", value_parser = ServerName::from_str)]
    registry: ServerName,

    /// Remove the credentials for all registries
    #[arg(short, long, conflicts_with = "registry")]
    all: bool,

    #[command(flatten)]
    authfile: AuthfileArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine logout ghcr.io
  terrine logout --all";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let logins = Logins::new(args.authfile.files());
    if args.all {
        let names = logins.erase_all()?;
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        match &names[..] {
            [] => printer.status("there are no credentials"),
            names => printer.status(&format!("logged out of {}", names.join(", "))),
        }
        if let Some(variable) = args.authfile.variable() {
            printer.warning(&format!(
                "the credentials in `{variable}` remain: unset the variable"
            ));
        }
        return Ok(());
    }
    let server = &args.registry;
    let variable = args.authfile.variable_with(server);
    match (&logins.erase(server)?[..], variable) {
        ([], Some(variable)) => Err(Failure::hinted(
            format!("the credentials for `{server}` are in the variable `{variable}`"),
            format!("unset `{variable}`, or remove the credentials from it"),
        )),
        ([], None) => Err(none(server, &logins.names()?)),
        (places, variable) => {
            let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
            let places = places.join(", ");
            printer.status(&format!("logged out of `{server}`, removed from {places}"));
            if let Some(variable) = variable {
                printer.warning(&format!(
                    "`{variable}` still has credentials for `{server}`: unset the variable, or remove the credentials from it"
                ));
            }
            Ok(())
        }
    }
}

/// Says that there is no login to drop, and which there are.
fn none(server: &ServerName, others: &[String]) -> Failure {
    let message = login::missing(server);
    let others: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
    let hint = match &others[..] {
        [] => "there are no credentials for any registry".to_owned(),
        others => format!("there are credentials for {}", others.join(", ")),
    };
    Failure::hinted(message, hint)
}
