//! `terrine logout`: a login is dropped wherever terrine would find it.

use terrine::registry::{Logins, ServerName};

use super::failure::Result;
use super::printer::Printer;
use super::registry_args::AuthfileArgs;
use super::{argument, login};

/// Log out of a registry
///
/// The login is removed from all files in which terrine looks for one, and from the programs that these name, whoever
/// put it there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, or the repositories, as `terrine login` takes them
    #[arg(default_value = "docker.io", value_parser = argument::read::<ServerName>)]
    registry: ServerName,

    /// Drop the logins for all registries
    #[arg(short, long, conflicts_with = "registry")]
    all: bool,

    #[command(flatten)]
    authfile: AuthfileArgs,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let logins = Logins::new(args.authfile.files());
    if args.all {
        let names = logins.erase_all()?;
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        match &names[..] {
            [] => printer.status("there are no logins"),
            names => printer.status(&format!("logged out of {}", names.join(", "))),
        }
        return Ok(());
    }
    let server = &args.registry;
    match &logins.erase(server)?[..] {
        [] => Err(login::missing(server)),
        places => {
            let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
            let places = places.join(", ");
            printer.status(&format!(
                "logged out of `{server}`, which was kept by {places}"
            ));
            Ok(())
        }
    }
}
