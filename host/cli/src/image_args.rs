//! What `build` and `plan` have in common: the specification, from a file and from flags.

use std::fs::File;
use std::path::{Path, PathBuf, absolute};

use terrine::cache::Cache;
use terrine::oci::{Platform, Reference};
use terrine::plan::{CommandOptions, PlanOptions};
use terrine::source::Opener;
use terrine::spec::{
    BaseConfig, ImageSpec, Json, PathSwitch, Pipeline, Switch, Time, TimeField, When,
};

use super::command_args::CommandArgs;
use super::contents_args::{self, ContentsArgs};
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::history_args::HistoryArgs;
use super::images::linux;
use super::limit_args::LimitArgs;
use super::planner_args::PlannerArgs;
use super::{argument, file_args, stdin};

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

    /// Allow programs that the image's platform can not run
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
    /// What the arguments say beside the specification.
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

    /// What errors call the image.
    pub(super) fn what(&self) -> String {
        match &self.spec {
            Some(spec) => format!("`{}`", spec.display()),
            None => format!("`{}`", self.name.as_deref().unwrap_or("the image")),
        }
    }

    /// The specification: what the file says, changed by what the flags say.
    pub(super) fn spec(&self) -> Result<ImageSpec> {
        let mut spec = match &self.spec {
            Some(path) if path == Path::new(stdin::PATH) => {
                let text =
                    File::open(path).with_context(|| format!("reading `{}`", path.display()))?;
                ImageSpec::read_from(text, Path::new("stdin"), Path::new(""))?
            }
            Some(path) => ImageSpec::read(path)?,
            None if self.name.is_none() => {
                return Err(Usage {
                    message: "there is nothing to build".to_owned(),
                    hint: "name an image specification, or give `--name` and `--contents`",
                }
                .into());
            }
            None => ImageSpec::default(),
        };
        self.image(&mut spec)?;
        self.content(&mut spec)?;
        self.configuration(&mut spec)?;
        self.layers(&mut spec)?;
        Ok(spec)
    }

    fn image(&self, spec: &mut ImageSpec) -> Result<()> {
        replace(&mut spec.name, &self.name);
        if let [tag, others @ ..] = &self.tag[..] {
            // The tag in the name of the file's image counts no more than its field would.
            if let (Some(name), None) = (&mut spec.name, &self.name)
                && let Some((bare, tag)) = name.rsplit_once(':')
                && !tag.contains('/')
            {
                *name = bare.to_owned();
            }
            spec.tag = Some(tag.clone());
            spec.tags.0 = others.to_vec();
        }
        self.machine(spec);
        replace(&mut spec.created, &self.created.map(TimeField));
        replace(&mut spec.mtime, &self.mtime.map(TimeField));
        if let Some(what) = &self.base_config {
            spec.base_config_given = true;
            spec.base_config = match what.as_str() {
                "all" => BaseConfig::All,
                _ => BaseConfig::Environment,
            };
        }
        if let Some(reference) = &self.from_image {
            spec.from_image = Some(text_from_here(reference)?);
        }
        Ok(())
    }

    /// What the flags say of the platform counts more than all that the file says of it.
    fn machine(&self, spec: &mut ImageSpec) {
        let (architecture, variant) = match &self.platform {
            Some(platform) => (Some(&platform.architecture), platform.variant.clone()),
            None => (self.architecture.as_ref(), None),
        };
        if let Some(architecture) = architecture {
            if self.platform.is_some() || spec.architecture.as_ref() != Some(architecture) {
                spec.variant = variant;
            }
            spec.architecture = Some(architecture.clone());
            spec.system = None;
        }
        if let Some(system) = &self.system {
            if spec.architecture.take().is_some() {
                spec.variant = None;
            }
            spec.system = Some(system.clone());
        }
    }

    fn content(&self, spec: &mut ImageSpec) -> Result<()> {
        for (list, more) in [
            (&mut spec.copy_to_root.0, &self.copy_to_root),
            (&mut spec.closure.0, &self.closure),
        ] {
            list.extend(
                more.iter()
                    .map(|path| here(path))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
        for contents in &self.contents {
            spec.contents.0.push(contents_args::named(contents)?);
        }
        self.contents_rules.apply(spec);
        file_args::apply(&self.file, spec)?;
        replace(&mut spec.store_dir, &self.store_dir);
        if self.fake_nss && spec.fake_nss == Switch::Off {
            spec.fake_nss = Switch::On;
        }
        if self.ca_certificates && spec.ca_certificates == PathSwitch::Off {
            spec.ca_certificates = PathSwitch::On;
        }
        spec.tmp |= self.tmp;
        Ok(())
    }

    fn configuration(&self, spec: &mut ImageSpec) -> Result<()> {
        for label in &self.label {
            let (name, value) = pair(label, "--label")?;
            spec.labels.insert(name.to_owned(), value.to_owned());
        }
        let config = spec.config_json.get_or_insert_default();
        let command = if self.command.is_empty() {
            &self.cmd
        } else {
            &self.command
        };
        for (key, list) in [("Cmd", command), ("Entrypoint", &self.entrypoint)] {
            if !list.is_empty() {
                config.insert(key.to_owned(), Json::strings(list));
            }
        }
        for (key, text) in [("User", &self.user), ("WorkingDir", &self.workdir)] {
            if let Some(text) = text {
                config.insert(key.to_owned(), Json::string(text));
            }
        }
        for variable in &self.env {
            pair(variable, "--env")?;
            let env = config
                .entry("Env".to_owned())
                .or_insert(Json::Array(vec![]));
            match env {
                Json::Array(env) => env.push(Json::string(variable)),
                other => *other = Json::Array(vec![Json::string(variable)]),
            }
        }
        // A port without a protocol is one of TCP.
        let port = |port: &String| {
            if port.contains('/') {
                port.clone()
            } else {
                format!("{port}/tcp")
            }
        };
        let sets = [
            ("ExposedPorts", self.expose.iter().map(port).collect()),
            ("Volumes", self.volume.clone()),
        ];
        for (key, members) in sets {
            for member in members {
                let set = config
                    .entry(key.to_owned())
                    .or_insert(Json::Object(Default::default()));
                if !matches!(set, Json::Object(_)) {
                    *set = Json::Object(Default::default());
                }
                if let Json::Object(set) = set {
                    set.insert(member, Json::Object(Default::default()));
                }
            }
        }
        if config.is_empty() {
            spec.config_json = None;
        }
        Ok(())
    }

    fn layers(&self, spec: &mut ImageSpec) -> Result<()> {
        replace(&mut spec.max_layers, &self.max_layers);
        if let Some(file) = &self.past.history {
            spec.history = Some(here(file)?);
        }
        if !self.past.previous.is_empty() {
            let previous = self.past.previous.iter().map(text_from_here);
            spec.previous.0 = previous.collect::<Result<_, _>>()?;
        }
        self.planner.apply(spec)?;
        if let Some(file) = &self.pipeline {
            spec.layering_pipeline = Some(Pipeline::File(here(file)?));
            spec.planner = None;
        }
        Ok(())
    }
}

fn replace<T: Clone>(field: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        field.clone_from(given);
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
        None => Err(Failure::new(format!("`{}` is not UTF-8", path.display()))),
    }
}

/// The same as text.
fn text_from_here(reference: &Reference) -> Result<String> {
    reference.check_source()?;
    match reference {
        Reference::Path(path) => here(path),
        reference => Ok(from_here(reference)?.to_string()),
    }
}

/// A reference of the command line, whose path starts in this directory.
fn from_here(reference: &Reference) -> Result<Reference> {
    let mut reference = reference.clone();
    if let Reference::DockerArchive { path, .. }
    | Reference::OciLayout { path, .. }
    | Reference::OciArchive { path, .. } = &mut reference
    {
        *path = here(path)?.into();
    }
    Ok(reference)
}

/// A name and its value.
pub(super) fn pair<'a>(text: &'a str, flag: &str) -> Result<(&'a str, &'a str)> {
    match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
        Some(pair) => Ok(pair),
        None => Err(Usage {
            message: format!("`{flag} {text}` is not of the form NAME=VALUE"),
            hint: "write the name, an equals sign and the value",
        }
        .into()),
    }
}
