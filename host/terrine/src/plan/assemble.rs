//! The last phase: the image as it is written, and what there is to say about it.

use terrine_oci::annotation;
use terrine_planner_host::image::Resolved;
use terrine_support::remark::Remark;

use super::complete::Complete;
use super::context::Context;
use super::decide::{Decided, LayerPlan};
use super::files::PlannedFiles;
use super::identify::Identified;
use super::{Error, Prepared, facts, hidden, inherited, linked, tags, unused};
use crate::assemble::{self, NewImage, Top, Unseen};
use crate::base::Base;
use crate::spec::ImageSpec;
use crate::startup::{self, Interpreters};

impl Decided {
    /// Puts together what is written, and what there is to say about it.
    pub(super) fn assemble<'p>(self, context: &Context<'_, 'p>) -> Result<Prepared<'p>, Error> {
        let mut remarks = self.remarks(context);
        let base = self.identified.complete.base.as_ref();
        remarks.extend(inherited::dropped(context.spec, base));
        remarks.extend(meaningless(context.spec).into_iter().map(Remark::from));
        let Self { identified, plan } = self;
        let Identified {
            complete:
                Complete {
                    store,
                    base,
                    root,
                    paths,
                    registered,
                    ..
                },
            ownership,
            created,
            machine,
            resolved,
            unread,
            ..
        } = identified;
        let unseen = Unseen::of(&store, &machine.unread, context.options.allow_foreign)?;
        let image = NewImage {
            planner: context.planners.image,
            ownership,
            created,
            provenance: provenance(context.spec, &plan, base.as_ref(), &resolved),
            base,
            tags: tags::others(context.spec, &resolved)?,
            resolved,
            layers: plan.layers(&store, &paths),
            store,
            top: Top::Root(root),
            late: registered.late,
            unseen,
        };
        remarks.extend(image.remarks());
        let substitutes = image.store.substitutes();
        remarks.extend(substitutes.iter().flat_map(|all| all.warnings().remarks()));
        let mut facts = facts::gather(context.spec, &image, &paths, &plan, &machine, remarks);
        if let Some(file) = unread {
            facts.tag = None;
            facts.tag_after_reading = Some(file.display().to_string());
        }
        Ok(Prepared { image, facts })
    }

    /// Returns the remarks to show to the user before the image is made.
    fn remarks(&self, context: &Context<'_, '_>) -> Vec<Remark> {
        let Identified {
            complete,
            machine,
            past,
            ownership,
            resolved,
            ..
        } = &self.identified;
        let mut remarks = complete.paths.remarks();
        remarks.extend(complete.registered.remarks.iter().cloned());
        remarks.extend(past.remarks.iter().cloned());
        remarks.extend(self.plan.remarks.iter().cloned());
        let hidden = hidden::by_directories(&complete.root, complete.listing.as_ref());
        let lost = complete.items.remarks.iter().chain(&complete.lost);
        let lost = lost.cloned().chain(hidden);
        let mut remarks: Vec<Remark> = lost.chain(remarks.into_iter().map(Remark::from)).collect();
        let files = PlannedFiles::of(context, complete, ownership);
        remarks.extend(linked::remark(context.spec, complete, &resolved.config));
        remarks.extend(complete.is_empty().then(startup::empty));
        if context.spec.mtime.is_some() && complete.paths.paths.is_empty() {
            let note = "`mtime` has no effect: the image has no layers of store paths";
            let fixed = "files at the root always have the same time, so that the same files give the same image";
            remarks.push(Remark::note(note).hint(fixed));
        }
        remarks.extend(startup::check(
            &resolved.config,
            &files,
            Interpreters::Elsewhere,
        ));
        remarks.extend(unused::remarks(&ownership.permissions, complete, &files));
        remarks.extend(startup::repeated(env_of(context.spec)));
        remarks.extend(machine.remarks(&files));
        remarks.extend(machine.guess());
        remarks
    }
}

/// The environment that the specification sets, where it comes from a file: flags are meant to replace variables.
fn env_of(spec: &ImageSpec) -> &[String] {
    let config = spec.config.as_ref();
    config
        .and_then(|config| config.env.as_deref())
        .unwrap_or_default()
}

/// Returns messages about fields of the specification that have no meaning here.
fn meaningless(spec: &ImageSpec) -> Vec<String> {
    let fields = [
        ("diskSize", spec.disk_size),
        ("buildVMMemorySize", spec.build_vm_memory_size),
    ];
    let given = fields.into_iter().filter(|(_, value)| value.is_some());
    given
        .map(|(field, _)| format!("`{field}` has no effect: no virtual machine is used"))
        .collect()
}

/// Returns the annotations of the image's manifest, which say how the image was made.
fn provenance(
    spec: &ImageSpec,
    plan: &LayerPlan,
    base: Option<&Base>,
    resolved: &Resolved,
) -> terrine_oci::Annotations {
    let mut provenance = assemble::provenance(plan.origin.as_ref(), base);
    if !resolved.tag_generated {
        provenance.insert(annotation::VERSION.to_owned(), resolved.tag.clone());
    }
    provenance.extend(assemble::labels(&resolved.config));
    provenance.extend(spec.annotations.clone());
    provenance
}
