//! `terrine build`: an image out of store paths and directories.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use terrine::build;
use terrine::planner::{Limits, Runtime};

use super::environment;
use super::exit::Usage;
use super::image_args::ImageArgs;
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;

/// Build an image out of store paths and directories
///
/// The archive goes to stdout, for `docker load`, `podman load` and others.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    image: ImageArgs,

    /// Write to this file instead of stdout
    ///
    /// The file appears when it is complete, and not if anything fails.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Write what the image turned out to be to this file, as JSON; `-` for stdout
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    summary: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  terrine build image.json | docker load
  terrine build --name web --contents ./site -o web.tar -- /bin/web --port 80";

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<()> {
    check_outputs(args)?;
    let output = Output::open(args.output.as_deref())?;
    let summary = args.summary.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let spec = args.image.spec()?;
    let cache = environment::planner_cache();
    let runtime = Runtime::new(Limits::default(), cache.as_deref())?;
    let planner = runtime.embedded()?;
    let cannot = || format!("can not build {}", args.image.what());
    let prepared = build::prepare(&spec, &args.image.options(), &planner).with_context(cannot)?;
    let build::Prepared { image, mut facts } = prepared;
    for remark in &facts.remarks {
        printer.warning(remark);
    }
    let progress = Progress::new(printer, image.layer_count());
    let name = image.reference();
    let outcome = image.run(&output, &progress).with_context(cannot)?;
    facts.complete(&outcome);
    if let Some(summary) = &summary {
        let mut file = summary;
        file.write_all(facts.to_json().as_bytes()).context("writing the summary")?;
    }
    output.commit()?;
    summary.map_or(Ok(()), Output::commit)?;
    progress.finish();
    let (id, written) = (outcome.id, progress.summary());
    match facts.tag_generated {
        // Nobody could know it otherwise, so it is said to those who want quiet as well.
        true => printer.result(&format!("{id} {name} (tag generated), {written}")),
        false => printer.status(&format!("{id} {name}, {written}")),
    }
    Ok(())
}

/// Checks that no two things go to stdout.
fn check_outputs(args: &Args) -> anyhow::Result<()> {
    let is_stdout = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    let archive = args.output.is_none() || is_stdout(&args.output);
    if archive && is_stdout(&args.summary) {
        return Err(Usage {
            message: "the archive and the summary can not both go to stdout".to_owned(),
            hint: "name a file with `-o` or with `--summary`",
        }
        .into());
    }
    Ok(())
}
