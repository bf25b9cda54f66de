//! `terrine prefetch`: the arguments with which Nix pulls an image.

use terrine::oci::Platform;
use terrine::prefetch::{
    self, Choice, FinalName, FinalTag, ImageName, Names, Prefetched, PullArguments,
};
use terrine::source::Image;

use super::failure::{Context, Result};
use super::images::Images;
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::RegistryArgs;
use super::{argument, headings, output};

/// Print the arguments of `dockerTools.pullImage` for an image
///
/// Reads the manifest and the layers of an image in a registry and prints a Nix attribute set to
/// stdout, for `pullImage (import ./image.nix)`. `imageDigest` is the digest of the manifest for
/// the platform, never that of an index. `hash` is the hash of the archive that terrine's own
/// `pullImage` writes, by `terrine copy docker://NAME@DIGEST
/// docker-archive:FILE:FINALNAME:FINALTAG`. It is the same on every machine. The archive itself is
/// not stored.
///
/// Nixpkgs' own `pullImage` writes the archive with skopeo, which gives another hash. To use it,
/// pass `--no-hash` and copy `hash` from the error message of Nix.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Image in a registry: NAME[:TAG][@DIGEST], with or without `docker://`
    #[arg(value_parser = argument::read::<ImageName>)]
    image: ImageName,

    /// Platform of the image
    #[arg(
        long,
        value_name = "OS/ARCH[/VARIANT]",
        default_value = "linux/amd64",
        value_parser = argument::read::<Platform>,
        help_heading = headings::IMAGE
    )]
    platform: Platform,

    /// Print all images of an index, as an attribute set with a set for each platform
    ///
    /// The keys are the values of GOARCH, followed by a hyphen and the variant if there is one:
    /// `amd64`, `arm64`, `arm-v7`. `images.${pkgs.go.GOARCH}` selects the image, and
    /// `images."arm-v${pkgs.go.GOARM}"` on 32-bit ARM. Keys of systems other than Linux begin with
    /// the system, and end with its version if the index has it: `windows-amd64-10.0.17763.7249`.
    #[arg(long, conflicts_with = "platform", help_heading = headings::IMAGE)]
    all: bool,

    /// Name of the image in the archive [default: the name in the registry]
    #[arg(long, value_name = "NAME", value_parser = argument::read::<FinalName>, help_heading = headings::IMAGE)]
    final_name: Option<FinalName>,

    /// Tag of the image in the archive [default: the tag in the registry, or latest]
    #[arg(long, value_name = "TAG", value_parser = argument::read::<FinalTag>, help_heading = headings::IMAGE)]
    final_tag: Option<FinalTag>,

    /// Leave out `hash` and fetch no layers
    ///
    /// Only manifests are fetched. For an image without an index, its configuration is fetched as
    /// well, to learn its platform.
    #[arg(long, help_heading = headings::OUTPUT)]
    no_hash: bool,

    /// Print JSON with the same keys and values: an object, or with `--all` an object of objects
    #[arg(long, help_heading = headings::OUTPUT)]
    json: bool,

    #[command(flatten)]
    registry: RegistryArgs,
}

const EXAMPLES: &str = "\
Output:
  imageName, imageDigest, hash, finalImageName, finalImageTag, os (unless it is linux), arch,
  variant (if there is one)

Examples:
  terrine prefetch debian:12 > debian.nix
  terrine prefetch ghcr.io/acme/web:1.2 --platform linux/arm64 --final-name web
  terrine prefetch debian:12 --all > debian.nix
    pullImage (import ./debian.nix).${pkgs.go.GOARCH}
  terrine prefetch debian:12 --no-hash --json | jq -r .imageDigest";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let prefetched =
        prefetched(args, printer).with_context(|| format!("cannot prefetch `{}`", args.image))?;
    let text = if args.json {
        prefetched.to_json()
    } else {
        prefetched.to_nix()
    };
    output::print(&text)
}

/// Finds the manifests, and computes the hashes.
fn prefetched(args: &Args, printer: &Printer) -> Result<Prefetched> {
    let reference = args.image.reference();
    let images = Images::new(&args.registry, &[&reference])?.with_all_layers();
    let opened = images.open(&reference)?;
    if !args.all {
        let choice = prefetch::one(&opened, &args.platform)?;
        let arguments = arguments(args, &choice, printer)?;
        return Ok(Prefetched::One(Box::new(arguments)));
    }
    let choices = prefetch::all(&opened)?.into_iter();
    let all = choices.map(|(key, choice)| Ok((key, arguments(args, &choice, printer)?)));
    Ok(Prefetched::All(all.collect::<Result<_>>()?))
}

/// Returns the arguments for one platform.
fn arguments(args: &Args, choice: &Choice<'_>, printer: &Printer) -> Result<PullArguments> {
    let (name, tag) = (args.final_name.as_ref(), args.final_tag.as_ref());
    let names = Names::new(&args.image, name, tag);
    if args.no_hash {
        return Ok(names.arguments(choice));
    }
    hashed(&names, choice, choice.open()?, printer)
}

/// Reads the layers for the hash, and shows how far that is.
fn hashed(
    names: &Names,
    choice: &Choice<'_>,
    image: Image,
    printer: &Printer,
) -> Result<PullArguments> {
    let progress = Progress::new(printer, image.layers.len());
    let arguments = names.hashed(choice, image, &progress)?;
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    printer.status(&format!("{} {}, {summary}", choice.digest, choice.platform));
    Ok(arguments)
}
