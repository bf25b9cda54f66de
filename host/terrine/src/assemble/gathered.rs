//! Writing an image as a docker-archive of layers that were made for other destinations as well.

use std::collections::BTreeMap;
use std::io::Write;

use terrine_oci::{ArchiveManifest, Digest};

use super::archive::{member_name, unused};
use super::{Error, NewImage, Outcome};
use crate::base::Base;
use crate::destination::docker_archive::header;
use crate::destination::{GatheredLayers, Members, Shipped};
use crate::layer;

impl NewImage<'_> {
    /// Writes the docker-archive that [`NewImage::run`] writes, under these names, of layers
    /// that [`NewImage::ship_to_all`] copied to `gathered`.
    ///
    /// # Errors
    ///
    /// A store path that cannot be listed, and an output that does not take the archive. That is
    /// no image then.
    pub fn write_gathered(
        &self,
        gathered: &GatheredLayers,
        outcome: &Outcome,
        names: &[String],
        out: impl Write,
    ) -> Result<(), Error> {
        let shipped = outcome.published.as_ref();
        let shipped = shipped.map_or(&[][..], |published| &published.layers);
        let base_layers = self.base.as_ref().map_or(0, |base| base.layers().len());
        let (base, own) = shipped.split_at(base_layers.min(shipped.len()));
        let mut archive = Members::new(out);
        let mut members = vec![];
        self.base_members(gathered, base, &mut archive, &mut members)?;
        let reference = names.first().map_or("", String::as_str);
        let mtime = self.ownership.mtime;
        for (layer, shipped) in self.new_layers().iter().zip(own) {
            let member = match layer.promised() {
                Some(promised) => unused(format!("{}/layer.tar", promised.diff_id.hex()), &members),
                None => {
                    let outline = layer::measure(layer.as_ref())?.outline;
                    member_name(reference, self.base.as_ref(), outline, &members)
                }
            };
            let blob = &shipped.descriptor;
            archive.member(&header(&member, blob.size, mtime), gathered.content(blob)?)?;
            members.push(member);
        }
        let diff_ids: Vec<Digest> = own.iter().map(|shipped| shipped.diff_id).collect();
        let configuration = self.configuration(&diff_ids)?;
        let config = format!("{}.json", outcome.id.hex());
        let text = configuration.as_bytes();
        archive.member(&header(&config, text.len() as u64, mtime), text)?;
        let list = ArchiveManifest::list_to_json(&[ArchiveManifest {
            config,
            repo_tags: names.to_vec(),
            layers: members,
        }]);
        archive.member(
            &header("manifest.json", list.len() as u64, mtime),
            &list[..],
        )?;
        Ok(archive.finish()?)
    }

    /// Writes the layers of the base, each once.
    fn base_members(
        &self,
        gathered: &GatheredLayers,
        shipped: &[Shipped],
        archive: &mut Members<impl Write>,
        members: &mut Vec<String>,
    ) -> Result<(), Error> {
        let mut written: BTreeMap<&str, Digest> = BTreeMap::new();
        let Some(base) = &self.base else {
            return Ok(());
        };
        for (layer, shipped) in Base::layers(base).iter().zip(shipped) {
            match written.get(layer.name.as_str()) {
                Some(&diff_id) => base.check(&layer.name, layer.diff_id, diff_id)?,
                None => {
                    let blob = &shipped.descriptor;
                    archive.member(&layer.header(blob.size), gathered.content(blob)?)?;
                }
            }
            written.insert(&layer.name, layer.diff_id);
            members.push(layer.name.clone());
        }
        Ok(())
    }
}
