//! The specification: what the file says, changed by what the flags say; and which flag gave which field.

use std::fs::File;
use std::path::{Path, PathBuf, absolute};

use terrine::oci::Reference;
use terrine::spec::{BaseConfig, ImageSpec, Json, PathSwitch, Pipeline, Switch, TimeField};

use super::{ImageArgs, here, named_here, pair};
use crate::exit::Usage;
use crate::failure::{Context, Result};
use crate::flag_names::FlagNames;
use crate::{contents_args, file_args, stdin};

/// A specification that flags change, and what they gave.
pub(crate) struct Merged {
    pub(crate) spec: ImageSpec,
    pub(crate) names: FlagNames,
}

impl ImageArgs {
    /// The specification: what the file says, changed by what the flags say.
    pub(crate) fn merge(&self) -> Result<Merged> {
        let spec = match &self.spec {
            Some(path) => read(path)?,
            None if self.name.is_none() && self.has_content() => {
                return Err(Usage {
                    message: "the image has no name".to_owned(),
                    hint: "give `--name`, such as `--name web` or `--name web:1.2`",
                }
                .into());
            }
            None if self.name.is_none() => {
                return Err(Usage {
                    message: "there is nothing to build".to_owned(),
                    hint: "name an image specification, or give `--name` and `--contents`",
                }
                .into());
            }
            None => ImageSpec::default(),
        };
        let mut merged = Merged {
            spec,
            names: FlagNames::new(self.spec.is_none()),
        };
        self.image(&mut merged)?;
        self.content(&mut merged)?;
        self.configuration(&mut merged)?;
        self.layers(&mut merged)?;
        Ok(merged)
    }

    /// Reports whether a flag names files of the image.
    fn has_content(&self) -> bool {
        !self.contents.is_empty() || !self.copy_to_root.is_empty() || !self.file.is_empty()
    }

    fn image(&self, Merged { spec, names }: &mut Merged) -> Result<()> {
        replace(&mut spec.name, &self.name);
        names.note_given("name", "--name", &self.name);
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
            names.note("tag", "--tag", Some(tag.clone()));
            names.note_list("tags", "--tag", 0, others.iter().cloned());
        }
        self.machine(spec, names);
        for (field, flag, given) in [
            (&mut spec.created, ("created", "--created"), self.created),
            (&mut spec.mtime, ("mtime", "--mtime"), self.mtime),
        ] {
            if let Some(when) = given {
                *field = Some(TimeField(when));
                names.note(flag.0, flag.1, None);
            }
        }
        if let Some(what) = &self.base_config {
            spec.base_config_given = true;
            spec.base_config = match what.as_str() {
                "all" => BaseConfig::All,
                _ => BaseConfig::Environment,
            };
            names.note("baseConfig", "--base-config", Some(what.clone()));
        }
        if let Some(reference) = &self.from_image {
            spec.from_image = Some(text_from_here(reference)?);
            names.note("fromImage", "--from-image", Some(reference.to_string()));
        }
        Ok(())
    }

    /// Applies the flags for the platform, which override everything that the file says about it.
    fn machine(&self, spec: &mut ImageSpec, names: &mut FlagNames) {
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
            let platform = self.platform.as_ref().map(ToString::to_string);
            names.note_given("architecture", "--architecture", &self.architecture);
            names.note_given("architecture", "--platform", &platform);
        }
        if let Some(system) = &self.system {
            if spec.architecture.take().is_some() {
                spec.variant = None;
            }
            spec.system = Some(system.clone());
            names.note("system", "--system", Some(system.clone()));
        }
    }

    fn content(&self, Merged { spec, names }: &mut Merged) -> Result<()> {
        let (copied, closure) = (&mut spec.copy_to_root.0, &mut spec.closure.0);
        for (list, more, field, flag) in [
            (copied, &self.copy_to_root, "copyToRoot", "--copy-to-root"),
            (closure, &self.closure, "closure", "--closure"),
        ] {
            names.note_list(field, flag, list.len(), more.iter().map(|path| shown(path)));
        }
        for path in &self.copy_to_root {
            let path = named_here(path, spec)?;
            spec.copy_to_root.0.push(path);
        }
        for path in &self.closure {
            spec.closure.0.push(here(path)?);
        }
        let before = spec.contents.0.len();
        let given = self.contents.iter().map(|path| shown(path));
        names.note_list("contents", "--contents", before, given);
        for contents in &self.contents {
            let contents = contents_args::named(contents, spec)?;
            spec.contents.0.push(contents);
        }
        self.contents_rules.apply(spec, names);
        self.binary_caches.apply(spec, names);
        file_args::apply(&self.file, spec, names)?;
        replace(&mut spec.store_dir, &self.store_dir);
        names.note_given("storeDir", "--store-dir", &self.store_dir);
        if self.fake_nss && spec.fake_nss == Switch::Off {
            spec.fake_nss = Switch::On;
            names.note("fakeNss", "--fake-nss", None);
        }
        if self.ca_certificates && spec.ca_certificates == PathSwitch::Off {
            spec.ca_certificates = PathSwitch::On;
            names.note("caCertificates", "--ca-certificates", None);
        }
        spec.tmp |= self.tmp;
        Ok(())
    }

    fn configuration(&self, Merged { spec, names }: &mut Merged) -> Result<()> {
        for label in &self.label {
            let (name, value) = pair(label, "--label")?;
            names.note(format!("labels.{name}"), "--label", Some(label.clone()));
            spec.labels.insert(name.to_owned(), value.to_owned());
        }
        let config = spec.config_json.get_or_insert_default();
        for (key, list, flag) in [
            ("Cmd", &self.cmd, "--cmd"),
            ("Cmd", &self.command, "-- COMMAND"),
            ("Entrypoint", &self.entrypoint, "--entrypoint"),
        ] {
            if !list.is_empty() {
                config.insert(key.to_owned(), Json::strings(list));
                names.note(format!("config.{key}"), flag, None);
            }
        }
        for (key, text, flag) in [
            ("User", &self.user, "--user"),
            ("WorkingDir", &self.workdir, "--workdir"),
        ] {
            if let Some(text) = text {
                config.insert(key.to_owned(), Json::string(text));
                names.note(format!("config.{key}"), flag, Some(text.clone()));
            }
        }
        let before = match config.get("Env") {
            Some(Json::Array(env)) => env.len(),
            _ => 0,
        };
        names.note_list("config.Env", "--env", before, self.env.iter().cloned());
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
            (
                "ExposedPorts",
                self.expose.iter().map(port).collect(),
                "--expose",
            ),
            ("Volumes", self.volume.clone(), "--volume"),
        ];
        for (key, members, flag) in sets {
            if !members.is_empty() && !config.contains_key(key) {
                names.note(format!("config.{key}"), flag, None);
            }
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

    fn layers(&self, Merged { spec, names }: &mut Merged) -> Result<()> {
        replace(&mut spec.max_layers, &self.max_layers);
        names.note_given("maxLayers", "--max-layers", &self.max_layers);
        if let Some(file) = &self.past.history {
            spec.history = Some(here(file)?);
            names.note("history", "--history", Some(shown(file)));
        }
        if !self.past.previous.is_empty() {
            let given = self.past.previous.iter().map(|reference| match reference {
                Reference::Path(path) => shown(path),
                reference => reference.to_string(),
            });
            names.note_list("previous", "--previous", 0, given);
            let previous = self.past.previous.iter().map(text_from_here);
            spec.previous.0 = previous.collect::<Result<_, _>>()?;
        }
        self.planner.apply(spec, names)?;
        if let Some(file) = &self.pipeline {
            names.note("layeringPipeline", "--pipeline", Some(shown(file)));
            spec.layering_pipeline = Some(Pipeline::File(here(file)?));
            spec.planner = None;
        }
        Ok(())
    }
}

/// Reads a specification. The paths of one from standard input start in the working directory.
pub(crate) fn read(path: &Path) -> Result<ImageSpec> {
    if path == Path::new(stdin::PATH) {
        let text = File::open(path).with_context(|| format!("reading `{}`", path.display()))?;
        return Ok(ImageSpec::read_from(
            text,
            Path::new("stdin"),
            Path::new(""),
        )?);
    }
    let mut spec = ImageSpec::read(path)?;
    spec.directory = folder(path);
    Ok(spec)
}

/// The folder where the paths of a specification start, in full: messages tell it. A file descriptor, as of
/// `<(command)` in a shell, lies in none, and the working directory takes its place.
fn folder(path: &Path) -> PathBuf {
    let whole = absolute(path).unwrap_or_else(|_| path.to_owned());
    if whole.starts_with("/dev/fd") || whole.starts_with("/proc") {
        return PathBuf::new();
    }
    whole.parent().unwrap_or(Path::new("")).to_owned()
}

fn replace<T: Clone>(field: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        field.clone_from(given);
    }
}

/// A path as it was given.
fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(stdin::PATH) => "-".to_owned(),
        _ => path.display().to_string(),
    }
}

/// A reference of the command line as text, whose path starts in this directory.
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
