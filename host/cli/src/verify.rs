//! `terrine verify`: a check of digests, sizes and media types.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use indicatif::DecimalBytes;
use terrine::oci::Descriptor;
use terrine::source::Image;
use terrine::verify::{self, Verification, VerifyReport, VerifyReporter};

use super::exit::{Told, complain};
use super::failure::Result;
use super::format::Format;
use super::headings;
use super::images::ImagesArgs;
use super::meter::Meter;
use super::output;
use super::printer::{Figures, Printer};
use super::stdin;

/// The largest number of layers that are read at once: disks and registries have limits, too.
const MAX_THREADS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// Check an image's digests, sizes and media types
///
/// Reads each image completely. Checks the digests, sizes and media types of the manifest, the
/// configuration and the layers, and the diff ids of the layers. Checks that each layer is a
/// readable archive, and that its files, hard links and whiteouts apply to the layers below.
/// Reports every mismatch on stderr, and fails if there is one. The content of files and the values
/// of the configuration are not checked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Image: a file, a directory, or a reference such as docker://debian:12; `-` for stdin
    #[arg(required = true, value_name = "IMAGE", value_parser = stdin::image_text)]
    images: Vec<String>,

    #[command(flatten)]
    which: ImagesArgs,

    /// Also build the layers that have keys again from the local store, and compare them
    ///
    /// The manifest of an image that terrine built names the store paths and the key of each layer. It may be
    /// false, and so may be an entry of `--layers-from` that the image was built with. The store must
    /// have all store paths of layers with keys. A layer with `permissions` cannot be compared, which is
    /// an error. Layers without keys, and those of directories, are not compared.
    #[arg(long, help_heading = headings::CONTENT)]
    against_store: bool,

    /// Directory that contains the store, for `--against-store` [default: /]
    #[arg(long, value_name = "DIR", requires = "against_store", help_heading = headings::CONTENT)]
    store_root: Option<PathBuf>,

    /// Format of the results: `json` prints a report to stdout, `table` only lines to stderr
    /// [default: table]
    #[arg(long, value_name = "FORMAT", help_heading = headings::OUTPUT)]
    format: Option<Format>,
}

const EXAMPLES: &str = "\
Examples:
  terrine verify web.tar
  terrine verify oci:layout:web docker://ghcr.io/acme/web:1.2
  terrine verify --against-store docker://ghcr.io/acme/web:1.2
  terrine verify --format json web.tar | jq '.images[].mismatches'";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    args.which.check(&args.images)?;
    let mut reports = Vec::new();
    let mut valid = true;
    for reference in &args.images {
        match args.which.open_all(reference) {
            Ok(images) => {
                for (referrer, image) in &images {
                    let mut report = look(image, referrer.as_ref(), printer);
                    if args.against_store {
                        args.compare(image, &mut report, printer);
                    }
                    tell(&report, printer);
                    valid &= report.is_valid();
                    reports.push(report);
                }
            }
            Err(error) => {
                complain(&error, printer);
                valid = false;
            }
        }
    }
    if args.format == Some(Format::Json) {
        let text = verify::to_json(&reports, valid);
        output::print(&text)?;
    }
    if valid { Ok(()) } else { Err(Told.into()) }
}

impl Args {
    /// Compares an image with the store.
    fn compare(&self, image: &Image, report: &mut VerifyReport, printer: &Printer) {
        let root = self.store_root.as_deref().unwrap_or(Path::new("/"));
        let compared = verify::against_store(image, root);
        report.add_store(&compared);
        let same = counted(compared.same, "layer");
        let rest = match compared.skipped {
            0 => String::new(),
            some => format!("; {} not compared", counted(some, "other layer")),
        };
        printer.status(&format!("{}: {same} equal to the store{rest}", image.name));
    }
}

fn look(image: &Image, referrer: Option<&Descriptor>, printer: &Printer) -> VerifyReport {
    let threads = available_parallelism()
        .unwrap_or(NonZeroUsize::MIN)
        .min(MAX_THREADS);
    let verification = Verification::new(image).threads(threads);
    let verification = match referrer {
        Some(referrer) => verification.referrer(referrer),
        None => verification,
    };
    verification.run(&Progress::new(image, printer))
}

fn tell(report: &VerifyReport, printer: &Printer) {
    for mismatch in &report.mismatches {
        printer.error(&[format!("{}: {mismatch}", report.name)], None);
    }
    if report.is_valid() {
        let (name, id) = (&report.name, report.image_id);
        let read = DecimalBytes(report.bytes_read);
        let (layers, checks) = (layers(report), counted(report.checked.len(), "check"));
        printer.status(&format!(
            "{name}: {id} is valid: {layers}, {checks}, {read} read"
        ));
    }
}

/// Tells how many layers there are, and how many of them were not read.
fn layers(report: &VerifyReport) -> String {
    let layers = counted(report.layers, "layer");
    match report.layers_elsewhere {
        0 => layers,
        some => format!("{layers}, {some} of them not distributed with the image and not read"),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The progress of the check: the number of bytes that are read so far.
struct Progress {
    read: Arc<AtomicU64>,
    meter: Meter,
}

impl Progress {
    fn new(image: &Image, printer: &Printer) -> Self {
        let total = image.layers.iter().map(|layer| layer.stored_size()).sum();
        let read = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&read);
        let template =
            "{bar:30} {decimal_bytes} of {decimal_total_bytes} at {decimal_bytes_per_sec}";
        let meter = Meter::new(printer, total, template, move || {
            let read = count.load(Ordering::Relaxed);
            let figures = Figures {
                bytes: Some(read),
                bytes_total: Some(total),
                ..Figures::default()
            };
            let (read, total) = (DecimalBytes(read), DecimalBytes(total));
            Some((format!("{read} of {total} read"), figures))
        });
        Self { read, meter }
    }
}

impl VerifyReporter for Progress {
    fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = self.meter.bar() {
            bar.inc(bytes);
        }
    }
}
