//! Arguments that `build` and `plan` share: the specification, from a file and from flags.

mod merge;

use std::path::{Component, Path, PathBuf, absolute};

use terrine::cache::Cache;
use terrine::oci::{Platform, Reference};
use terrine::plan::{CacheOptions, CommandOptions, PlanOptions};
use terrine::source::Opener;
use terrine::spec::{ImageSpec, Time, When};

use super::binary_cache_args::BinaryCacheArgs;
use super::command_args::CommandArgs;
use super::contents_args::ContentsArgs;
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::history_args::HistoryArgs;
use super::images::linux;
use super::limit_args::LimitArgs;
use super::planner_args::PlannerArgs;
use super::{argument, headings, stdin};
pub(super) use merge::{Merged, read as read_spec};

/// The specification of an image, from a file and from flags.
#[derive(Debug, clap::Args)]
pub(super) struct ImageArgs {
    /// Image specification, a JSON file; `-` for stdin
    ///
    /// Flags add to it or override it. It is not needed if flags describe the whole image. `terrine
    /// schema` prints its JSON Schema.
    #[arg(value_parser = stdin::file_parser())]
    spec: Option<PathBuf>,

    /// Name of the image, with or without `:TAG`
    #[arg(long, value_name = "NAME", help_heading = headings::IMAGE)]
    name: Option<String>,

    /// Tag of the image; may be repeated
    ///
    /// The image gets all of its tags at each destination that names no tag.
    #[arg(long, help_heading = headings::IMAGE)]
    tag: Vec<String>,

    /// Base image: a file, a directory, or a reference such as docker://debian:12
    #[arg(long, value_name = "IMAGE", value_parser = stdin::image, help_heading = headings::IMAGE)]
    from_image: Option<Reference>,

    /// Settings to inherit from the base image: its environment, or everything that FROM in a
    /// Dockerfile inherits, such as command, user and working directory [default: environment]
    #[arg(long, value_name = "SETTINGS", value_parser = ["environment", "all"], help_heading = headings::IMAGE)]
    base_config: Option<String>,

    /// Directory or store path to link into the root; may be repeated
    ///
    /// A directory becomes the store path `contents`, `contents-2` and so on, or NAME if it is
    /// given. Write `./NAME=DIR` for a path with an equals sign. Use `--copy-to-root` for files
    /// instead of links.
    #[arg(long, value_name = "[NAME=]PATH", help_heading = headings::CONTENT)]
    contents: Vec<PathBuf>,

    /// Directory to copy to the root; may be repeated
    ///
    /// The image gets the files themselves, as with COPY in a Dockerfile. Use this for a static
    /// site, for example.
    #[arg(long, value_name = "PATH", help_heading = headings::CONTENT)]
    copy_to_root: Vec<PathBuf>,

    #[command(flatten)]
    contents_rules: ContentsArgs,

    /// File to copy to a path in the image; may be repeated
    ///
    /// MODE is in octal digits. If DST ends in a slash, it is the directory for the file. The file
    /// replaces a file of the specification with the same path.
    #[arg(
        long,
        value_name = "SRC:DST[:MODE[:UID:GID]]",
        help_heading = headings::CONTENT
    )]
    file: Vec<String>,

    /// File with the references between store paths; may be repeated
    ///
    /// FILE is the output of `nix path-info --json --recursive`, the JSON of exportReferencesGraph,
    /// or the directory that closureInfo creates. By default, terrine reads the references from the
    /// database of the store.
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = headings::CONTENT)]
    closure: Vec<PathBuf>,

    /// Add users and groups: /etc/passwd, /etc/group and /etc/nsswitch.conf
    #[arg(long, help_heading = headings::CONTENT)]
    fake_nss: bool,

    /// Add Mozilla's certificate authorities
    #[arg(long, help_heading = headings::CONTENT)]
    ca_certificates: bool,

    /// Add the directory /tmp
    #[arg(long, help_heading = headings::CONTENT)]
    tmp: bool,

    /// Command; repeat the option for each of its arguments
    #[arg(
        long,
        value_name = "ARG",
        allow_hyphen_values = true,
        help_heading = headings::CONFIGURATION
    )]
    cmd: Vec<String>,

    /// Entry point; repeat the option for each of its arguments
    #[arg(
        long,
        value_name = "ARG",
        allow_hyphen_values = true,
        help_heading = headings::CONFIGURATION
    )]
    entrypoint: Vec<String>,

    /// Environment variable; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = headings::CONFIGURATION)]
    env: Vec<String>,

    /// User to run as
    #[arg(long, value_name = "USER[:GROUP]", help_heading = headings::CONFIGURATION)]
    user: Option<String>,

    /// Working directory
    #[arg(long, value_name = "DIR", help_heading = headings::CONFIGURATION)]
    workdir: Option<String>,

    /// Port that the program listens on; may be repeated
    #[arg(long, value_name = "PORT[/PROTOCOL]", help_heading = headings::CONFIGURATION)]
    expose: Vec<String>,

    /// Directory for a volume; may be repeated
    #[arg(long, value_name = "DIR", help_heading = headings::CONFIGURATION)]
    volume: Vec<String>,

    /// Label; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = headings::CONFIGURATION)]
    label: Vec<String>,

    /// Platform of the image, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = linux, help_heading = headings::IMAGE, conflicts_with_all = ["architecture", "system"])]
    platform: Option<Platform>,

    /// Architecture of the image in Go's terms, such as arm64
    #[arg(long, help_heading = headings::IMAGE, conflicts_with = "system")]
    architecture: Option<String>,

    /// Platform of the image in Nix's terms, such as aarch64-linux
    #[arg(long, help_heading = headings::IMAGE)]
    system: Option<String>,

    /// Creation time of the image: RFC 3339, @SECONDS or now
    ///
    /// SOURCE_DATE_EPOCH is not read: pass `@$SOURCE_DATE_EPOCH` to use it.
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = headings::IMAGE)]
    created: Option<When>,

    /// Modification time of files in layers of store paths, in the formats of `--created`
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = headings::IMAGE)]
    mtime: Option<When>,

    /// Maximum number of layers of the image [default: 100]
    ///
    /// With `--pipeline`, there is no limit by default.
    #[arg(long, value_name = "N", help_heading = headings::LAYERS)]
    max_layers: Option<u32>,

    #[command(flatten)]
    planner: PlannerArgs,

    /// Layering pipeline of dockerTools, in a JSON file
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = headings::LAYERS)]
    pipeline: Option<PathBuf>,

    #[command(flatten)]
    past: HistoryArgs,

    /// Directory of the package store [default: /nix/store]
    #[arg(long, value_name = "DIR", help_heading = headings::CONTENT)]
    store_dir: Option<String>,

    /// Directory to read store paths from
    ///
    /// For chroot stores of Nix: /nix/store/x is read from DIR/nix/store/x.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        help_heading = headings::CONTENT
    )]
    store_root: PathBuf,

    #[command(flatten)]
    pub(super) binary_caches: BinaryCacheArgs,

    /// Allow programs that the platform of the image cannot run
    #[arg(long, help_heading = headings::CONTENT)]
    allow_foreign: bool,

    #[command(flatten)]
    pub(super) commands: CommandArgs,

    /// Command and its arguments
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
        caches: CacheOptions<'a>,
    ) -> PlanOptions<'a> {
        PlanOptions {
            store_root: self.store_root.clone(),
            allow_foreign: self.allow_foreign,
            allow_missing_previous: self.past.allow_missing_previous,
            allow_absent: false,
            hash_contents: false,
            now: Time::now(),
            images,
            layers_from: &[],
            cache,
            commands,
            caches,
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
            "rename it: a specification is JSON, so names in it must be UTF-8",
        )),
    }
}

/// The same for a path that messages name, which they do as it was given. A relative one has `./`
/// there, so that it looks like a path.
pub(super) fn named_here(path: &Path, spec: &mut ImageSpec) -> Result<String> {
    let absolute = here(path)?;
    let shown = match path.components().next() {
        Some(Component::Normal(_)) => format!("./{}", path.display()),
        _ => path.display().to_string(),
    };
    spec.given.insert(absolute.clone(), shown);
    Ok(absolute)
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
