//! `terrine login`: a login for a registry, kept where Docker and Podman look for it.

use std::io::{self, Read};
use std::str::FromStr;

use terrine::registry::{Credentials, Logins, ServerName, UserPassword};

use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::printer::Printer;
use super::registry_args::{AuthfileArgs, ConnectionArgs};
use super::{output, prompt};

/// The largest password that is read, in bytes. Tokens of clouds have a few thousand.
const MAX_PASSWORD: u64 = 64 << 10;

/// Log in to a registry
///
/// Checks a user name and a password with the registry and stores them for terrine, docker, podman
/// and skopeo. If a file already has credentials for the registry, they are replaced there.
/// Otherwise, they are stored in the file that `--authfile` or REGISTRY_AUTH_FILE names, or else in
/// Docker's `~/.docker/config.json`. If the file names a credential helper for the registry
/// (`credHelpers`, `credsStore`), the helper stores them. In a file, credentials are not encrypted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Registry, such as ghcr.io or localhost:5000, or a namespace in it, such as quay.io/acme, as
    /// in podman and skopeo
    #[arg(default_value = "docker.io", value_parser = ServerName::from_str)]
    registry: ServerName,

    /// User name; by default, terrine asks for it on the terminal
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,

    /// Read the password from stdin instead of the terminal
    #[arg(long, requires = "username")]
    password_stdin: bool,

    /// Print the user name that is used for the registry, and do not log in
    #[arg(long, conflicts_with_all = ["username", "password_stdin"])]
    get_login: bool,

    #[command(flatten)]
    authfile: AuthfileArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine login ghcr.io
  echo \"$TOKEN\" | terrine login --username ci --password-stdin registry.example";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let server = &args.registry;
    if args.get_login {
        return print_user(args);
    }
    let login = login(args)?;
    let user = login.user.clone();
    let credentials = Credentials::default().with_login(&server.host, None, login.clone());
    let wants = args.connection.client(credentials).check_login(server)?;
    if !wants {
        printer.warning(&format!(
            "`{server}` requires no credentials: it did not check the user and the password"
        ));
    }
    let place = Logins::new(args.authfile.files())
        .store(server, &login)
        .with_context(|| format!("cannot store the credentials for `{server}`"))?;
    printer.status(&format!(
        "logged in to `{server}` as `{user}`, stored in `{place}`"
    ));
    if let Some(variable) = args.authfile.variable_with(server) {
        printer.warning(&format!(
            "these credentials are not used while `{variable}` has others for `{server}`: correct or unset the variable"
        ));
    }
    Ok(())
}

fn print_user(args: &Args) -> Result<()> {
    let server = &args.registry;
    let user = args
        .authfile
        .credentials()?
        .user(&server.host, &server.path)?;
    match user {
        Some(user) => output::print(&format!("{user}\n")),
        None => Err(Failure::hinted(
            missing(server),
            format!("`terrine login {server}` stores them"),
        )),
    }
}

/// Says that a registry has no login.
pub(super) fn missing(server: &ServerName) -> String {
    format!("there are no credentials for `{server}`")
}

/// The user and the password, wherever they come from.
fn login(args: &Args) -> Result<UserPassword> {
    let no_terminal = || Usage {
        message: "there is no terminal to ask for the user and the password".to_owned(),
        hint: "give `--username` and `--password-stdin`",
    };
    let user = match &args.username {
        Some(user) => user.clone(),
        None => prompt::line("Username: ")?.ok_or_else(no_terminal)?,
    };
    if user.is_empty() || user.contains(':') {
        return Err(Usage {
            message: "the user is empty, or has a colon in it".to_owned(),
            hint: "give only the name with `--username`; the password is read from stdin or from a prompt",
        }
        .into());
    }
    let password = if args.password_stdin {
        from_stdin()?
    } else {
        prompt::password("Password: ")?.ok_or_else(no_terminal)?
    };
    if password.is_empty() {
        return Err(Failure::hinted(
            "the password is empty",
            "write it to stdin with `--password-stdin`, or at the prompt",
        ));
    }
    Ok(UserPassword { user, password })
}

/// Reads a password, without the end of its line.
fn from_stdin() -> Result<String> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(MAX_PASSWORD)
        .read_to_string(&mut text)
        .context("reading the password from stdin")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
