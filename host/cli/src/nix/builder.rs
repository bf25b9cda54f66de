//! Building derivations.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use clap::Parser;
use serde_json::Value;
use terrine::cache::Cache;
use terrine::compress::{Compression, Encoder, MAGIC, Pool, Setting};
use terrine::copy;
use terrine::oci::Reference;
use terrine::plan::dockertools::{self, Conf, ConfOptions};
use terrine::plan::{self, CommandOptions, CommandsTold, PlanOptions};
use terrine::planner::Planners;
use terrine::spec::{ImageSpec, Time};

use super::super::cache_args::CacheArgs;
use super::super::command_args::show;
use super::super::failure::{Context, Failure, Result};
use super::super::images::Images;
use super::super::limit_args::LimitArgs;
use super::super::merge;
use super::super::printer::Printer;
use super::super::progress::Progress;
use super::super::registry_args::RegistryArgs;
use super::super::{Cli, environment, execute, usage};
use super::attributes::{Attributes, Content, Kind};
use super::program;

/// The length of the hash in a store path's name.
const HASH: usize = 32;

/// Builds the derivation that this process is the builder of.
pub(in super::super) fn run(printer: &Printer) -> Result<()> {
    let attributes = Attributes::read()?;
    // A build has no home to keep them in.
    environment::keep_compiled(std::env::temp_dir().join("planner"));
    match &attributes.kind {
        Kind::Image { spec, closure } => image(&attributes, spec.clone(), closure, printer),
        Kind::Archive {
            conf,
            compression,
            repository,
        } => {
            let out = attributes.output("out")?;
            let tag = |name: &String| Ok::<_, Failure>(format!("{name}:{}", hash(out)?));
            let name = repository.as_ref().map(tag).transpose()?;
            archive(conf, compression, name, out, printer)
        }
        Kind::Merge { images } => merged(images, attributes.output("out")?, printer),
        Kind::File { file } => put(attributes.output("out")?, file),
        Kind::Files { files } => {
            let out = attributes.output("out")?;
            make_folder(out)?;
            files
                .iter()
                .try_for_each(|(path, content)| put(&out.join(path), content))
        }
        Kind::Programs { programs } => {
            let folder = attributes.output("out")?.join("bin");
            make_folder(&folder)?;
            for (name, words) in programs {
                program::write(&folder.join(name), &attributes.terrine, words)?;
            }
            Ok(())
        }
        Kind::Run { arguments } => {
            let out = attributes.output("out")?.display().to_string();
            let words = arguments.iter().map(|word| word.replace("@out@", &out));
            let words: Vec<String> = std::iter::once("terrine".to_owned()).chain(words).collect();
            if let Some(authorities) = authorities(&attributes) {
                return again(&words[1..], &authorities);
            }
            let cli = Cli::try_parse_from(&words).map_err(|error| {
                let words: Vec<OsString> = words.iter().map(OsString::from).collect();
                Failure::new(
                    usage::explain(&error, &super::super::program::program(), &words).message,
                )
            })?;
            execute(cli, printer)
        }
    }
}

/// The variable by which the authorities are found that registries are known by.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// The file of authorities that is to be found by it: the user's own, or that of the derivation.
fn authorities(attributes: &Attributes) -> Option<OsString> {
    if environment::variable(AUTHORITIES).is_some() {
        return None;
    }
    let own = environment::variable("NIX_SSL_CERT_FILE").filter(|file| Path::new(file).exists());
    own.or_else(|| attributes.certificates.clone().map(OsString::from))
}

/// Becomes a run of this program with other authorities: they are found by its environment alone.
fn again(words: &[String], authorities: &OsStr) -> Result<()> {
    let program = std::env::current_exe().context("looking for this program")?;
    let mut command = Command::new(program);
    command.args(words).env(AUTHORITIES, authorities);
    Err(command.exec()).context("restarting")
}

/// The hash in the name of an output.
fn hash(output: &Path) -> Result<String> {
    let name = output.file_name().and_then(|name| name.to_str());
    let hash = name.and_then(|name| name.get(..HASH));
    hash.map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("`{}` is not a store path", output.display())))
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("writing `{}`", file.display()))
}

/// Makes a file of a folder.
fn put(path: &Path, content: &Content) -> Result<()> {
    make_folder(path.parent().unwrap_or(path))?;
    match content {
        Content::Text(text) => write(path, text.as_bytes()),
        Content::Program(text) => {
            write(path, text.as_bytes())?;
            fs::set_permissions(path, Permissions::from_mode(0o755))
                .with_context(|| format!("writing `{}`", path.display()))
        }
        Content::Link(target) => {
            symlink(target, path).with_context(|| format!("creating the link `{}`", path.display()))
        }
        Content::Directory {} => make_folder(path),
    }
}

fn image(
    attributes: &Attributes,
    mut spec: Value,
    closure: &Value,
    printer: &Printer,
) -> Result<()> {
    let conf = attributes.output("conf")?;
    let layer = attributes.output("layer")?;
    if let Some(fields) = spec.as_object_mut() {
        if fields.get("tag").is_none_or(Value::is_null) {
            fields.insert("tag".to_owned(), hash(conf)?.into());
        }
        fields.insert("closure".to_owned(), "closure.json".into());
        // It has the tools of commands, and what the base image is made of.
        fields.insert("wholeClosure".to_owned(), false.into());
    }
    let folder = attributes.output("spec")?;
    make_folder(folder)?;
    write(&folder.join("closure.json"), closure.to_string().as_bytes())?;
    let file = folder.join("image.json");
    write(&file, spec.to_string().as_bytes())?;
    make_folder(layer)?;
    let text = planned(&file, layer, printer)?;
    write(conf, text.as_bytes())?;
    let words = ["stream".to_owned(), conf.display().to_string()];
    program::write(attributes.output("out")?, &attributes.terrine, &words)
}

/// Plans the image of a specification, and writes its root layer to a folder. Returns the
/// image's `conf.json`.
fn planned(file: &Path, layer: &Path, printer: &Printer) -> Result<String> {
    let spec = ImageSpec::read(file)?;
    let runtime = LimitArgs::default().runtime(CacheArgs::default(), printer)?;
    let planner = runtime.embedded()?;
    let component = plan::component(&spec, &runtime)?;
    let planners = Planners::one(&planner).with_layering(component.as_ref());
    let registry = RegistryArgs::default();
    let images = Images::new(&registry, &[])?;
    let cache = Cache::none();
    let tell = |told: CommandsTold<'_>| show(told, printer);
    let commands = CommandOptions {
        program: std::env::current_exe().ok(),
        tell: &tell,
        ..CommandOptions::none()
    };
    let options = PlanOptions {
        commands,
        allow_absent: true,
        ..PlanOptions::new(images.opener(), &cache)
    };
    let prepared = plan::prepare(&spec, &options, planners)?;
    for remark in &prepared.facts.remarks {
        printer.remark(remark);
    }
    let archive = layer.join(dockertools::LAYER);
    let out = File::create(&archive).with_context(|| format!("writing `{}`", archive.display()))?;
    let digest = prepared.image.write_top(out)?;
    write(&layer.join("checksum"), digest.hex().as_bytes())?;
    let layer = layer.display().to_string();
    dockertools::describe(&prepared.image, &spec, &layer)
        .map_err(|error| Failure::new(error.to_string()))
        .context("writing conf.json")
}

fn archive(
    conf: &Path,
    compression: &str,
    name: Option<String>,
    out: &Path,
    printer: &Printer,
) -> Result<()> {
    let setting: Setting = compression.parse()?;
    let conf = Conf::read(conf)?;
    let runtime = LimitArgs::default().runtime(CacheArgs::default(), printer)?;
    let planner = runtime.embedded()?;
    let options = ConfOptions {
        store_root: PathBuf::from("/"),
        repo_tag: name,
        platform: None,
        now: Time::now(),
    };
    let image = dockertools::prepare(&conf, &options, &planner, &Cache::none())?;
    let progress = Progress::new(printer, image.layer_count());
    encoded(out, &setting, |encoder| {
        image.run(encoder, &progress)?;
        Ok(())
    })?;
    progress.finish();
    Ok(())
}

fn merged(images: &[PathBuf], out: &Path, printer: &Printer) -> Result<()> {
    let references: Vec<Reference> = images.iter().cloned().map(Reference::Path).collect();
    let setting = match images.last().map(|image| compression(image)).transpose()? {
        Some(Compression::Gzip) => Setting::GZIP,
        Some(Compression::Zstd) => Setting::ZSTD,
        _ => Setting::NONE,
    };
    let registry = RegistryArgs::default();
    let all = merge::open(&Images::new(&registry, &[])?, &references, None)?;
    let layers = all.iter().map(|named| named.image.layers.len());
    let progress = Progress::new(printer, layers.sum());
    encoded(out, &setting, |encoder| {
        Ok(copy::write_archive(all, encoder, &progress)?)
    })?;
    progress.finish();
    Ok(())
}

/// Returns the compression of an archive.
fn compression(archive: &Path) -> Result<Compression> {
    let mut head = vec![];
    File::open(archive)
        .and_then(|file| file.take(MAGIC as u64).read_to_end(&mut head))
        .with_context(|| format!("reading `{}`", archive.display()))?;
    Ok(Compression::detect(&head))
}

/// Writes a file that is compressed on the way.
fn encoded(
    out: &Path,
    setting: &Setting,
    write: impl FnOnce(&mut Encoder<'_, File>) -> Result<()>,
) -> Result<()> {
    let writing = || format!("writing `{}`", out.display());
    let file = File::create(out).with_context(writing)?;
    let pool = Pool::new(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let mut encoder = Encoder::new(setting, &pool, file).with_context(writing)?;
    write(&mut encoder)?;
    encoder.finish().with_context(writing)?;
    Ok(())
}
