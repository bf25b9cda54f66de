//! `terrine replay record`: a sequence of closures, from images or specifications.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;
use serde::Deserialize;
use terrine::cache::Cache;
use terrine::closure::{self, Graph, GraphEntry};
use terrine::history::{self, Closures};
use terrine::inspect::inspect;
use terrine::oci::{Reference, Selector, annotation};
use terrine::plan;
use terrine::planner::Runtime;
use terrine::replay;
use terrine::sequence::{self, Sequence};
use terrine::source::Image;
use terrine::spec::Time;

use super::super::binary_cache_args::BinaryCacheArgs;
use super::super::cache_args::CacheArgs;
use super::super::exit::Usage;
use super::super::flag_names::FlagNames;
use super::super::headings;
use super::super::image_args;
use super::super::images::{Images, ImagesArgs};
use super::super::limit_args::LimitArgs;
use super::super::output::{self, Output};
use super::super::printer::Printer;
use super::super::stdin;
use super::input::Input;
use crate::failure::{Context, Failure, JsonError, Result};

/// Record closures as a sequence for `terrine replay`
///
/// Reads one step from each argument, oldest first: an existing image, an image specification, the
/// JSON output of `terrine plan` or `terrine build --summary`, or a closure as `nix path-info
/// --json --recursive` prints it. Writes the sequence as JSON to stdout, or to a file with
/// `--output`. The label of a step is the tag of the image or its creation time.
///
/// The size of a store path in an image is that of its files in the layers. An image does not
/// record the references between store paths: use `--closure` for them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Images, specifications, plans or closures, oldest first
    #[arg(required = true, value_name = "IMAGE|SPEC|PLAN|CLOSURE", value_parser = stdin::image_or_file)]
    steps: Vec<Reference>,

    /// File to write [default: stdout]
    #[arg(short, long, value_name = "FILE", help_heading = headings::OUTPUT)]
    output: Option<PathBuf>,

    /// Append the steps to those in the file, if it exists
    #[arg(long, requires = "output", help_heading = headings::OUTPUT)]
    append: bool,

    /// Name of the sequence [default: the name of the first image]
    #[arg(long, help_heading = headings::OUTPUT)]
    name: Option<String>,

    /// File with the references between the store paths of images; may be repeated
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = headings::CONTENT)]
    closure: Vec<PathBuf>,

    /// Directory of the package store in images and closures
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/nix/store",
        help_heading = headings::CONTENT
    )]
    store_dir: String,

    /// Directory to read the store paths of specifications from
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        help_heading = headings::CONTENT
    )]
    store_root: PathBuf,

    #[command(flatten)]
    binary_caches: BinaryCacheArgs,

    #[command(flatten)]
    which: ImagesArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine replay record docker://host/web:1.0 docker://host/web:1.1 -o updates.json
  terrine replay record image.json -o updates.json --append";

/// A step that is to be recorded.
struct Recorded {
    /// The name of the image.
    name: Option<String>,
    label: Option<String>,
    closure: Vec<GraphEntry>,
    /// Texts that identify the contents of store paths whose names have no hash, as far as they are
    /// known.
    contents: BTreeMap<String, String>,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let file = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    if args.append && file.is_none() {
        return Err(Usage {
            message: "there is nothing to append to on stdout".to_owned(),
            hint: "name a file with `-o`",
        }
        .into());
    }
    // What cannot be written is told before anything is read.
    let output = file.map(|path| Output::open(Some(path))).transpose()?;
    let mut updates = match file {
        Some(path) if args.append && path.exists() => Some(sequence::read(path)?),
        _ => None,
    };
    if let (Some(updates), Some(name)) = (&mut updates, &args.name) {
        updates.rename(name)?;
    }
    let mut reader = Reader::new(args, printer)?;
    for reference in &args.steps {
        let cannot = || format!("cannot record `{reference}`");
        let step = reader.read(reference).with_context(cannot)?;
        let number = 1 + updates
            .as_ref()
            .map_or(0, |updates: &Sequence| updates.steps().len());
        let label = step.label.unwrap_or_else(|| number.to_string());
        let size = step
            .closure
            .iter()
            .fold(0, |sum: u64, entry| sum.saturating_add(entry.size));
        let count = step.closure.len();
        let paths = if count == 1 {
            "1 store path".to_owned()
        } else {
            format!("{count} store paths")
        };
        printer.status(&format!(
            "step {number} ({label}): {paths}, {}",
            DecimalBytes(size)
        ));
        let name = args.name.as_deref().or(step.name.as_deref()).unwrap_or("");
        match &mut updates {
            Some(updates) => updates
                .add_known(&label, &step.closure, &step.contents)
                .with_context(cannot)?,
            None => {
                let first = Sequence::new_known(name, &label, &step.closure, &step.contents);
                updates = Some(first.with_context(cannot)?);
            }
        }
    }
    for remark in updates
        .iter()
        .flat_map(|updates| replay::uncertain_remark(&updates.uncertain()))
    {
        printer.remark(&remark);
    }
    let text = updates.map_or(String::new(), |updates| updates.to_json());
    match output {
        Some(output) => {
            (&output)
                .write_all(text.as_bytes())
                .context("writing the sequence")?;
            output.commit()
        }
        None => output::print(&text),
    }
}

/// Reads steps.
struct Reader<'a> {
    args: &'a Args,
    images: Images,
    runtime: Runtime,
    closures: Closures,
    graph: Graph,
}

impl<'a> Reader<'a> {
    fn new(args: &'a Args, printer: &Printer) -> Result<Self> {
        let mut graph = Graph::default();
        for file in &args.closure {
            let other = closure::read(file, &args.store_dir)?;
            graph = graph
                .merge(other)
                .context("the closures contradict each other")?;
        }
        let runtime = LimitArgs::default().runtime(CacheArgs::default(), printer)?;
        let named: Vec<&Reference> = args.steps.iter().collect();
        let images = Images::new(&args.which.registry, &named)?;
        Ok(Self {
            args,
            images,
            runtime,
            closures: Closures::default(),
            graph,
        })
    }

    fn read(&mut self, reference: &Reference) -> Result<Recorded> {
        let mut recorded = match Input::of(reference)? {
            Input::Image(reference) => self.image(&reference)?,
            Input::Spec(path) => return self.spec(&path),
            Input::Plan(text) => plan(&text)?,
            Input::Closure(path) => {
                let graph = closure::read(&path, &self.args.store_dir)?;
                let stem = path
                    .file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned());
                return Ok(Recorded {
                    name: None,
                    label: stem,
                    closure: graph.into_entries(),
                    contents: BTreeMap::new(),
                });
            }
        };
        history::complete(&mut recorded.closure, &self.graph);
        Ok(recorded)
    }

    fn image(&mut self, reference: &Reference) -> Result<Recorded> {
        let image = self
            .images
            .image(reference, self.args.which.platform.as_ref())?;
        let store_dir = self.args.store_dir.trim_end_matches('/');
        let closure = self.closures.of(&image, store_dir)?;
        let contents = self.closures.contents(&image, store_dir)?;
        if closure.is_empty() {
            return Err(self.no_paths(&image));
        }
        let (name, tag) = called(reference, &image);
        Ok(Recorded {
            name,
            label: tag
                .or_else(|| {
                    inspect(&image)
                        .ok()?
                        .annotations
                        .get(annotation::VERSION)
                        .cloned()
                })
                .or_else(|| image.configuration.created().map(ToOwned::to_owned)),
            closure,
            contents,
        })
    }

    /// Says that an image has no store paths where they are looked for, and where it has some by what it says of itself.
    fn no_paths(&self, image: &Image) -> Failure {
        let message = format!("it has no store paths in `{}`", self.args.store_dir);
        let layers = inspect(image).map(|facts| facts.layers).unwrap_or_default();
        let mut paths = layers
            .iter()
            .flat_map(|layer| layer.store_paths.iter().flatten());
        match paths.next().and_then(|path| Path::new(path).parent()) {
            Some(other) => {
                let hint = format!(
                    "its layers list some in `{0}`: give `--store-dir {0}`",
                    other.display()
                );
                Failure::hinted(message, hint)
            }
            None => Failure::hinted(
                message,
                "`--store-dir` names another directory of store paths",
            ),
        }
    }

    fn spec(&self, path: &Path) -> Result<Recorded> {
        let mut spec = image_args::read_spec(path)?;
        let binary_caches = &self.args.binary_caches;
        binary_caches.apply(&mut spec, &mut FlagNames::default());
        let (web, settings) = (self.images.client().web(), binary_caches.settings(&spec)?);
        let planner = self.runtime.embedded()?;
        let options = plan::PlanOptions {
            store_root: self.args.store_root.clone(),
            allow_foreign: true,
            allow_missing_previous: true,
            allow_absent: false,
            hash_contents: false,
            now: Time::now(),
            images: self.images.opener(),
            layers_from: &[],
            cache: &Cache::none(),
            commands: plan::CommandOptions::none(),
            caches: binary_caches.options(&web, &settings),
        };
        let (closure, contents) = plan::closure(&spec, &options, &planner)?;
        let closure = closure.into_entries();
        let (name, tag) = spec.name.as_deref().map_or((None, None), |name| {
            let (name, tag) = split(name);
            (Some(name), tag)
        });
        let label = spec
            .tag
            .clone()
            .or(tag)
            .or_else(|| spec.created.map(|created| created.0.to_string()));
        Ok(Recorded {
            name,
            label,
            closure,
            contents,
        })
    }
}

/// The name and the tag of an image, as far as they are known.
fn called(reference: &Reference, image: &Image) -> (Option<String>, Option<String>) {
    match reference {
        Reference::Registry(repository) => {
            let (name, tag) = split(&repository.to_string());
            (Some(name), tag)
        }
        Reference::OciLayout {
            path,
            image: selector,
        }
        | Reference::OciArchive {
            path,
            image: selector,
        } => {
            let stem = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            match selector {
                Selector::Name(tag) => (stem, Some(tag.clone())),
                _ => (stem, None),
            }
        }
        _ => image.names.first().map_or((None, None), |name| {
            let (name, tag) = split(name);
            (Some(name), tag)
        }),
    }
}

/// The last part of an image's name, and its tag.
fn split(text: &str) -> (String, Option<String>) {
    let text = text.split('@').next().unwrap_or(text);
    let last = text.rsplit('/').next().unwrap_or(text);
    match last.split_once(':') {
        Some((name, tag)) => (name.to_owned(), Some(tag.to_owned())),
        None => (last.to_owned(), None),
    }
}

/// Reads a step from the output of `terrine plan` or `terrine build --summary`.
fn plan(text: &[u8]) -> Result<Recorded> {
    #[derive(Deserialize)]
    struct Called {
        name: Option<String>,
        tag: Option<String>,
    }
    let held =
        history::of_plan(text).map_err(|why| Failure::new(format!("it is not a plan: {why}")))?;
    let called: Called = serde_json::from_slice(text)
        .map_err(JsonError)
        .context("it is not a plan")?;
    let closure = history::entries(&held);
    if closure.is_empty() {
        return Err(Failure::new("it has no store paths"));
    }
    Ok(Recorded {
        name: called.name.map(|name| split(&name).0),
        label: called.tag,
        closure,
        contents: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split() {
        for (text, name, tag) in [
            ("web", "web", None),
            ("host:5000/acme/web:1.2", "web", Some("1.2")),
            ("host/web@sha256:00", "web", None),
            ("host/web:1@sha256:00", "web", Some("1")),
        ] {
            assert_eq!(
                split(text),
                (name.to_owned(), tag.map(str::to_owned)),
                "{text}"
            );
        }
    }
}
