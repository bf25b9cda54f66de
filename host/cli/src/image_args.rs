//! Arguments that `build` and `plan` share: the specification, from a file and from flags.

mod merge;

use std::path::{Path, PathBuf, absolute};

use terrine::cache::Cache;
use terrine::oci::{Platform, Reference};
use terrine::plan::{CommandOptions, PlanOptions};
use terrine::source::Opener;
use terrine::spec::{Time, When};

use super::command_args::CommandArgs;
use super::contents_args::ContentsArgs;
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::history_args::HistoryArgs;
use super::images::linux;
use super::limit_args::LimitArgs;
use super::planner_args::PlannerArgs;
use super::{argument, stdin};
pub(super) use merge::{Merged, read as read_spec};

/// Where the specification comes from. Flags change what the file says, and do without it.
#[derive(Debug, clap::Args)]
pub(super) struct ImageArgs {
    /// The image specification, a JSON file; `-` for stdin
    ///
    /// Not needed where the flags say everything. `terrine schema` describes it.
    #[arg(value_parser = stdin::file_parser())]
    spec: Option<PathBuf>,

    /// The image's name, with `:tag` or without
    #[arg(long, value_name = "NAME", help_heading = "Image")]
    name: Option<String>,

    /// A tag of the image; may be repeated
    ///
    /// The image gets all of them wherever its destination names no tag.
    #[arg(long, help_heading = "Image")]
    tag: Vec<String>,

    /// The image to build on: a file or an OCI layout, or an image in a registry or anywhere
    /// else, as docker://debian:12
    #[arg(long, value_name = "IMAGE", value_parser = stdin::image, help_heading = "Image")]
    from_image: Option<Reference>,

    /// What is taken over from the base image: its environment, or all that FROM in a Dockerfile
    /// takes over, such as command, user and directory [default: environment]
    #[arg(long, value_name = "WHAT", value_parser = ["environment", "all"], help_heading = "Image")]
    base_config: Option<String>,

    /// A directory or store path to join at the root, as links; may be repeated
    ///
    /// A directory becomes the store path `contents`, `contents-2` and so on, or the one that
    /// is named. Write `./NAME=DIR` for a path with an equals sign.
    #[arg(long, value_name = "[NAME=]PATH", help_heading = "Content")]
    contents: Vec<PathBuf>,

    /// A directory to copy to the root; may be repeated
    #[arg(long, value_name = "PATH", help_heading = "Content")]
    copy_to_root: Vec<PathBuf>,

    #[command(flatten)]
    contents_rules: ContentsArgs,

    /// A file of this machine to copy to a path in the image; may be repeated
    ///
    /// MODE is in octal digits. A path that ends in a slash is the directory that the file goes to. The file
    /// takes the place of one in the specification.
    #[arg(
        long,
        value_name = "SRC:DST[:MODE[:UID:GID]]",
        help_heading = "Content"
    )]
    file: Vec<String>,

    /// What store paths refer to; may be repeated
    ///
    /// The JSON of `nix path-info --json --recursive` or of exportReferencesGraph, or a
    /// folder of closureInfo. Without it, the store's own database tells.
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = "Content")]
    closure: Vec<PathBuf>,

    /// Add users and groups: /etc/passwd, /etc/group, /etc/nsswitch.conf
    #[arg(long, help_heading = "Content")]
    fake_nss: bool,

    /// Add Mozilla's certificates
    #[arg(long, help_heading = "Content")]
    ca_certificates: bool,

    /// Add /tmp
    #[arg(long, help_heading = "Content")]
    tmp: bool,

    /// The command, or one argument of it; may be repeated
    #[arg(
        long,
        value_name = "ARG",
        allow_hyphen_values = true,
        help_heading = "Configuration"
    )]
    cmd: Vec<String>,

    /// The entry point, or one argument of it; may be repeated
    #[arg(
        long,
        value_name = "ARG",
        allow_hyphen_values = true,
        help_heading = "Configuration"
    )]
    entrypoint: Vec<String>,

    /// An environment variable; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Configuration")]
    env: Vec<String>,

    /// The user to run as
    #[arg(long, value_name = "USER[:GROUP]", help_heading = "Configuration")]
    user: Option<String>,

    /// The directory to start in
    #[arg(long, value_name = "DIR", help_heading = "Configuration")]
    workdir: Option<String>,

    /// A port that the program listens on; may be repeated
    #[arg(long, value_name = "PORT[/PROTOCOL]", help_heading = "Configuration")]
    expose: Vec<String>,

    /// A directory that is to outlive a container; may be repeated
    #[arg(long, value_name = "DIR", help_heading = "Configuration")]
    volume: Vec<String>,

    /// A label; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Configuration")]
    label: Vec<String>,

    /// The platform, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH", value_parser = linux, help_heading = "Image", conflicts_with_all = ["architecture", "system"])]
    platform: Option<Platform>,

    /// The architecture in Go's terms, such as arm64
    #[arg(long, help_heading = "Image", conflicts_with = "system")]
    architecture: Option<String>,

    /// The system in Nix's terms, such as aarch64-linux
    #[arg(long, help_heading = "Image")]
    system: Option<String>,

    /// When the image says that it was created: RFC 3339, @SECONDS or now
    ///
    /// SOURCE_DATE_EPOCH is not looked at; give `@$SOURCE_DATE_EPOCH` where it is meant.
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Image")]
    created: Option<When>,

    /// The time of files in layers of store paths, in the same forms
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Image")]
    mtime: Option<When>,

    /// How many layers the image may have
    #[arg(long, value_name = "N", help_heading = "Layers")]
    max_layers: Option<u32>,

    #[command(flatten)]
    planner: PlannerArgs,

    /// A layering pipeline of dockerTools, in a JSON file
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = "Layers")]
    pipeline: Option<PathBuf>,

    #[command(flatten)]
    past: HistoryArgs,

    /// The directory of store paths [default: /nix/store]
    #[arg(long, value_name = "DIR", help_heading = "Content")]
    store_dir: Option<String>,

    /// Look for store paths below this directory
    ///
    /// For Nix's chroot stores: /nix/store/x is then DIR/nix/store/x.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        help_heading = "Content"
    )]
    store_root: PathBuf,

    /// Allow programs that the image's platform cannot run
    #[arg(long, help_heading = "Content")]
    allow_foreign: bool,

    #[command(flatten)]
    pub(super) commands: CommandArgs,

    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "cmd")]
    command: Vec<String>,
}

fn time(text: &str) -> Result<When, String> {
    When::parse(text).map_err(|error| argument::explain(&error))
}

impl ImageArgs {
    /// Returns the options for the plan that are not part of the specification.
    pub(super) fn options<'a>(
        &self,
        images: &'a dyn Opener,
        cache: &'a Cache,
        commands: CommandOptions<'a>,
    ) -> PlanOptions<'a> {
        PlanOptions {
            store_root: self.store_root.clone(),
            allow_foreign: self.allow_foreign,
            allow_missing_previous: self.past.allow_missing_previous,
            allow_absent: false,
            now: Time::now(),
            images,
            cache,
            commands,
        }
    }

    /// Returns the images that the arguments name.
    pub(super) fn named(&self) -> Vec<&Reference> {
        let mut named = self.past.named();
        named.extend(&self.from_image);
        named
    }

    /// Returns the limits of compiling a planner.
    pub(super) fn limits(&self) -> LimitArgs {
        self.planner.limits
    }

    /// Returns the name of the image for error messages: its specification's path, or its name.
    pub(super) fn what(&self) -> String {
        match &self.spec {
            Some(spec) => format!("`{}`", spec.display()),
            None => format!("`{}`", self.name.as_deref().unwrap_or("the image")),
        }
    }
}

/// A path of the command line, which starts in this directory and not in that of the
/// specification.
pub(super) fn here(path: &Path) -> Result<String> {
    if path.as_os_str().is_empty() {
        return Err(Failure::new("a path is empty"));
    }
    let path = absolute(path).with_context(|| format!("finding `{}`", path.display()))?;
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::hinted(
            format!("`{}` is not UTF-8", path.display()),
            "give it another name: a specification is JSON, which has UTF-8 only",
        )),
    }
}

/// A name and its value.
pub(super) fn pair<'a>(text: &'a str, flag: &str) -> Result<(&'a str, &'a str)> {
    let message = match text.split_once('=') {
        // The value may be a secret, and messages go to logs.
        Some(("", _)) => format!("`{flag} =…` has no name"),
        Some(pair) => return Ok(pair),
        None => format!("`{flag} {text}` is not of the form NAME=VALUE"),
    };
    Err(Usage {
        message,
        hint: "write the name, an equals sign and the value",
    }
    .into())
}
