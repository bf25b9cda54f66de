//! `terrine plan`: a preview of an image.

use terrine::plan::{self, CommandsTold};
use terrine::planner::Planners;
use terrine::spec::ImageSpec;

use super::cache_args::CacheArgs;
use super::command_args::show;
use super::failure::{Context, Result};
use super::flag_names::FlagNames;
use super::format::{Format, FormatArgs};
use super::image_args::{ImageArgs, Merged};
use super::images::Images;
use super::printer::Printer;
use super::registry_args::RegistryArgs;
use super::strict_args::StrictArgs;
use super::{headings, output, table};

/// Show the image that `build` would make, and why
///
/// Takes the arguments of `build` and prints the plan to stdout: name, tag, platform, environment,
/// and each layer with its size and the reason for it. Writes no image, and reads only names, sizes
/// and the first bytes of programs. Commands at the root are run, because their results are part of
/// the image.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: ImageArgs,

    #[command(flatten)]
    registry: RegistryArgs,

    /// Explain one store path: its layer, the reason for it, and the paths that depend on it
    #[arg(long, value_name = "PATH", help_heading = headings::OUTPUT)]
    explain: Option<String>,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    strict: StrictArgs,

    #[command(flatten)]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine plan image.json
  terrine plan image.json --explain hello-1.0
  terrine plan --name web:1 --copy-to-root ./web --format table -- /bin/web
  terrine plan image.json --format json | jq '.layers[].reason'";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let Merged { spec, names } = args.image.merge()?;
    plan(args, &spec, &names, printer).map_err(|failure| failure.in_terms_of(names))
}

/// Plans the image of a specification.
fn plan(args: &Args, spec: &ImageSpec, names: &FlagNames, printer: &Printer) -> Result<()> {
    let runtime = args.image.limits().runtime(args.cache, printer)?;
    let cannot = || format!("cannot plan {}", args.image.what());
    let planner = runtime.embedded()?;
    let component = plan::component(spec, &runtime).with_context(cannot)?;
    let planners = Planners::one(&planner).with_layering(component.as_ref());
    let images = Images::new(&args.registry, &args.image.named())?;
    let memory = args.cache.layers(printer);
    let tell = |told: CommandsTold<'_>| show(told, printer);
    let commands = args.image.commands.options(args.cache.keeps(), &tell);
    let (web, settings) = (
        images.client().web(),
        args.image.binary_caches.settings(spec)?,
    );
    let caches = args.image.binary_caches.options(&web, &settings);
    let options = args
        .image
        .options(images.opener(), &memory, commands, caches);
    let mut preview = plan::preview(spec, &options, planners).with_context(cannot)?;
    names.remarks(&mut preview.facts.remarks);
    let warnings = args.strict.print(&preview.facts.remarks, printer);
    let format = args.show.format();
    let text = match (&args.explain, format) {
        (Some(path), Format::Json) => preview.facts.explain(path)?.to_json(),
        (Some(path), Format::Table) => table::explanation(&preview.facts.explain(path)?),
        (None, format) => {
            preview.measure(&memory).with_context(cannot)?;
            if format == Format::Json {
                preview.facts.to_json()
            } else {
                table::facts(&preview.facts)
            }
        }
    };
    output::print(&text)?;
    // What is wrong with the plan is best seen in the plan.
    warnings.with_context(cannot)
}
