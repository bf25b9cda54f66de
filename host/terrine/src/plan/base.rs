//! The image that is built on: opened wherever it is, for the platform that is wanted.

use std::collections::BTreeSet;

use terrine_oci::{Platform, Reference};
use terrine_planner_host::{self as planner, Planner, image};

use super::Error;
use super::context::Context;
use super::dockertools::{self, ConfOptions};
use super::items::Items;
use super::place;
use super::programs::Programs;
use crate::base::Base;
use crate::layer::{Store, StorePath};
use crate::platform::{Findings, this_machine};
use crate::source::{self, Fault, Image, Opened};
use crate::spec::ImageSpec;

/// Opens the base image that a specification names, if it names one. With `may_fetch`, programs in binary caches are fetched
/// if nothing else tells which of several images it is.
pub(super) fn open(
    context: &Context<'_, '_>,
    store: &Store,
    items: &Items,
    may_fetch: bool,
) -> Result<Option<Base>, Error> {
    let Context { spec, options, .. } = context;
    let Some(text) = &spec.from_image else {
        return Ok(None);
    };
    let reference = reference(spec, "fromImage", text)?;
    if let Ok(
        Reference::Path(path)
        | Reference::DockerArchive { path, .. }
        | Reference::OciLayout { path, .. }
        | Reference::OciArchive { path, .. },
    ) = text.parse::<Reference>()
    {
        place::existing(spec, "fromImage", path)?;
    }
    let opened = match &reference {
        Reference::Path(path) if dockertools::is_conf(path) => {
            let conf = ConfOptions {
                store_root: options.store_root.clone(),
                repo_tag: None,
                platform: None,
                now: options.now,
            };
            let planner = context.planners.image;
            let image = dockertools::open(path, &conf, planner, options.cache);
            Opened::Image(image.map_err(|error| Error::BaseConf(Box::new(error)))?)
        }
        Reference::Path(path) => {
            source::open_first(&path.display().to_string(), path, options.images)?
        }
        reference => source::open(reference, options.images)?,
    };
    let image = match opened {
        Opened::Image(image) => image,
        several => match wanted(context, store, items, may_fetch)? {
            Some(wanted) => source::pick(several, Some(&wanted))?,
            None => for_this_machine(several)?,
        },
    };
    Ok(Some(Base::new(image)))
}

/// The only image, else the one for this machine.
fn for_this_machine(several: Opened) -> Result<Image, source::Error> {
    match source::pick(several.clone(), None) {
        Err(source::Error::Fault {
            fault: Fault::Platforms { .. } | Fault::Several { .. },
            ..
        }) => {
            let machine = Platform::new("linux", this_machine(), None);
            source::pick(several, Some(&machine))
        }
        image => image,
    }
}

/// The image that a field names: paths start where the specification lies.
pub(super) fn reference(spec: &ImageSpec, field: &str, text: &str) -> Result<Reference, Error> {
    let reference = text.parse::<Reference>();
    let mut reference = reference.map_err(|error| Error::value(field, &error))?;
    if let Reference::Path(path) = &reference
        && !spec.directory_join(path).exists()
    {
        let checked = reference.check_source();
        checked.map_err(|error| Error::value(field, &error))?;
    }
    match &mut reference {
        Reference::Path(path)
        | Reference::DockerArchive { path, .. }
        | Reference::OciLayout { path, .. }
        | Reference::OciArchive { path, .. } => *path = spec.directory_join(path),
        Reference::Stdio => {
            return Err(Error::hinted(
                field,
                "this image cannot be read from stdin",
                "save it to a file, and name the file",
            ));
        }
        _ => {}
    }
    Ok(reference)
}

/// The platform that the image is for, as far as that is known without a base image and without this machine.
fn wanted(
    context: &Context<'_, '_>,
    store: &Store,
    items: &Items,
    may_fetch: bool,
) -> Result<Option<Platform>, Error> {
    let spec = context.spec;
    let text = match (&spec.architecture, &spec.system) {
        (Some(architecture), _) => architecture.clone(),
        (None, Some(system)) => system.clone(),
        (None, None) => {
            let linked: BTreeSet<&StorePath> = items.linked().collect();
            let paths: Vec<StorePath> = linked.into_iter().cloned().collect();
            let all: Vec<usize> = (0..paths.len()).collect();
            let mut programs = Programs::of(context, store, paths, may_fetch)?;
            let told = programs.named(&all, Findings::default(), this_machine())?;
            match told.findings.architecture() {
                Some((architecture, _)) => architecture,
                None => return Ok(None),
            }
        }
    };
    let planner = context.planners.image;
    Ok(Some(platform(&text, spec.variant.clone(), planner)?))
}

/// A platform in Nix's terms or in Go's, in Go's.
pub(super) fn platform(
    text: &str,
    variant: Option<String>,
    planner: &Planner<'_>,
) -> Result<Platform, planner::Error> {
    let resolved = planner.resolve(&image::ResolveRequest {
        reference: "base".to_owned(),
        tag: Some("base".to_owned()),
        platform: text.to_owned(),
        variant,
        config: "null".to_owned(),
        base: None,
        inherit: image::Inheritance::Environment,
        labels: vec![],
        max_layers: None,
        other_layers: 1,
        has_store_paths: false,
        identity: vec![],
    })?;
    Ok(Platform::new(
        &resolved.os,
        &resolved.architecture,
        resolved.variant.as_deref(),
    ))
}
