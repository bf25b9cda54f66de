//! Images as OCI has them: documents and blobs, wherever these are.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use terrine_compress::{Compression, MAGIC};
use terrine_oci::{
    Configuration, Content as Says, Descriptor, Digest, Document, DocumentError, MAX_CONFIGURATION,
    MAX_DOCUMENT, Manifest, MediaType, Repository,
};

use terrine_registry as registry;

use super::{Error, Fault, FilePart, Image, Layer, Verified};

/// The largest number of layers in an image. Docker takes 127, the kernel 500.
const MAX_LAYERS: usize = 1000;

/// The fault of a layer of something other than an image.
pub(super) const NO_LAYER: &str = "that is not a layer of an image";

/// The place of the blobs of images: a layout, an archive of one, or a repository of a registry.
pub trait Blobs: fmt::Debug + Send + Sync {
    /// The bytes of a blob: as many as its descriptor says, or an error. They are not verified.
    ///
    /// # Errors
    ///
    /// A blob that cannot be had, or has another size.
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error>;

    /// The size of a blob, where a place knows it.
    ///
    /// # Errors
    ///
    /// A blob that cannot be had.
    fn size(&self, _blob: &Descriptor) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    /// The bytes of a layer from where its descriptor says that they are besides; none if it does not say, or
    /// nobody may be asked.
    ///
    /// # Errors
    ///
    /// A layer that none of these places gives.
    fn elsewhere(
        &self,
        _blob: &Descriptor,
    ) -> Option<Result<Box<dyn Read + Send + '_>, registry::Error>> {
        None
    }

    /// The bytes of a manifest or an index, where these are not blobs like others.
    ///
    /// # Errors
    ///
    /// As [`Blobs::blob`].
    fn document(&self, document: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        self.blob(document)
    }

    /// The bytes of a document of a type that terrine does not know, where documents are not blobs like others.
    fn unknown(&self, _document: &Descriptor) -> Option<Result<Box<dyn Read + Send + '_>, Error>> {
        None
    }

    /// The bytes of a blob where they can be read at any place.
    ///
    /// # Errors
    ///
    /// As [`Blobs::blob`].
    fn content(&self, _blob: &Descriptor) -> Result<Option<FilePart<'_>>, Error> {
        Ok(None)
    }

    /// The repository of a registry that has them.
    fn repository(&self) -> Option<&Repository> {
        None
    }
}

/// Reads a manifest or an index and holds it against its descriptor; `name` is what errors call
/// the image.
///
/// # Errors
///
/// A document that cannot be had, is not the one that is described, or cannot be used.
pub fn document(blobs: &dyn Blobs, name: &str, descriptor: &Descriptor) -> Result<Document, Error> {
    let wrong = |fault| document_fault(name, &descriptor.digest.to_string(), fault);
    let media_type = &descriptor.media_type;
    if !media_type.is_index() && !media_type.is_manifest() && !media_type.is_generic() {
        return Err(wrong(DocumentError::Unsupported(media_type.to_string())));
    }
    let descriptor = sized(blobs, descriptor)?;
    if descriptor.size > MAX_DOCUMENT {
        return Err(wrong(DocumentError::TooLarge(descriptor.size)));
    }
    let bytes = verified(blobs.document(&descriptor)?, name, &descriptor)?;
    Document::parse(bytes, Some(media_type)).map_err(wrong)
}

/// Reads a document of a type that terrine does not know, where documents are not blobs like others.
pub(crate) fn unknown_document(
    blobs: &dyn Blobs,
    name: &str,
    descriptor: &Descriptor,
) -> Option<Result<Vec<u8>, Error>> {
    let read = blobs.unknown(descriptor)?;
    Some(read.and_then(|content| {
        let mut bytes = vec![];
        let mut content = content.take(MAX_DOCUMENT);
        content
            .read_to_end(&mut bytes)
            .map_err(|error| Error::reading(name, error))?;
        let size = match descriptor.size {
            // It says nothing of the size.
            0 => bytes.len() as u64,
            size => size,
        };
        let descriptor = Descriptor {
            size,
            ..descriptor.clone()
        };
        verified(Box::new(io::Cursor::new(bytes)), name, &descriptor)
    }))
}

pub(super) fn document_fault(image: &str, name: &str, fault: DocumentError) -> Error {
    Error::fault(
        image,
        Fault::Document {
            name: name.to_owned(),
            fault,
        },
    )
}

/// The image of a manifest; `name` is what errors call it. Its configuration is read, and of
/// its layers what tells their compression.
///
/// # Errors
///
/// A manifest that is none of an image, a configuration that is not the one that is described,
/// layers of a kind that cannot be read, and such that do not go with the configuration.
pub fn image(blobs: &Arc<dyn Blobs>, name: &str, document: Document) -> Result<Image, Error> {
    let fault = |fault| Error::fault(name, fault);
    let Says::Manifest(manifest) = &document.content else {
        let unsupported = DocumentError::Unsupported(document.media_type.to_string());
        return Err(document_fault(
            name,
            &document.digest().to_string(),
            unsupported,
        ));
    };
    let configuration = configuration(blobs.as_ref(), name, manifest)?;
    let (layers, diff_ids) = (&manifest.layers, configuration.diff_ids());
    if layers.len() > MAX_LAYERS {
        let (what, count, limit) = ("layers", layers.len(), MAX_LAYERS);
        return Err(fault(Fault::TooMany { what, count, limit }));
    }
    if layers.len() != diff_ids.len() {
        let (layers, diff_ids) = (layers.len(), diff_ids.len());
        return Err(fault(Fault::LayerCount { layers, diff_ids }));
    }
    let layers = layers
        .iter()
        .zip(diff_ids)
        .map(|(descriptor, &diff_id)| {
            let descriptor = sized(blobs.as_ref(), descriptor)?;
            let layer: Arc<dyn Layer> = Arc::new(layer(blobs, name, &descriptor, diff_id)?);
            Ok(layer)
        })
        .collect::<Result<_, Error>>()?;
    Ok(Image {
        name: name.to_owned(),
        names: vec![],
        manifest: Some(document),
        configuration,
        layers,
    })
}

fn configuration(
    blobs: &dyn Blobs,
    name: &str,
    manifest: &Manifest,
) -> Result<Configuration, Error> {
    let fault = |fault| Error::fault(name, fault);
    let descriptor = &sized(blobs, &manifest.config)?;
    let artifact = || fault(Fault::Artifact(descriptor.media_type.to_string()));
    if !descriptor.media_type.may_be_config() {
        return Err(artifact());
    }
    let (size, limit) = (descriptor.size, MAX_CONFIGURATION);
    if size > limit {
        return Err(fault(Fault::TooLarge {
            what: "its configuration".to_owned(),
            size,
            limit,
        }));
    }
    let text = verified(blobs.blob(descriptor)?, name, descriptor)?;
    Configuration::parse(text).map_err(|error| {
        if !descriptor.media_type.is_config() {
            return artifact();
        }
        fault(Fault::Json {
            member: descriptor.digest.to_string(),
            why: error.to_string(),
        })
    })
}

/// Returns a descriptor with the size that its place knows, if it tells none itself.
pub(crate) fn sized<'d>(
    blobs: &dyn Blobs,
    descriptor: &'d Descriptor,
) -> Result<Cow<'d, Descriptor>, Error> {
    if descriptor.size > 0 || descriptor.digest == Digest::of(b"") {
        return Ok(Cow::Borrowed(descriptor));
    }
    let size = match blobs.size(descriptor) {
        // Whoever reads it is told.
        Err(error) if error.is_absent_blob() => None,
        size => size?,
    };
    Ok(match size {
        Some(size) => Cow::Owned(Descriptor {
            size,
            ..descriptor.clone()
        }),
        None => Cow::Borrowed(descriptor),
    })
}

/// All bytes of a small blob, if they are the ones that are described.
fn verified(
    content: Box<dyn Read + Send + '_>,
    image: &str,
    descriptor: &Descriptor,
) -> Result<Vec<u8>, Error> {
    let Descriptor { digest, size, .. } = descriptor;
    let mut bytes = Vec::new();
    let mut content = Verified::new(content, digest.to_string(), *size, *digest);
    content
        .read_to_end(&mut bytes)
        .map_err(|error| Error::reading(image, error))?;
    Ok(bytes)
}

/// A layer by its blob, whatever lists it; `name` is what errors call that.
///
/// # Errors
///
/// A blob that cannot be one of a layer.
pub(crate) fn layer_of_blob(
    blobs: &Arc<dyn Blobs>,
    name: &str,
    blob: &Descriptor,
    diff_id: Digest,
) -> Result<Arc<dyn Layer>, Error> {
    Ok(Arc::new(layer(blobs, name, blob, diff_id)?))
}

fn layer(
    blobs: &Arc<dyn Blobs>,
    image: &str,
    descriptor: &Descriptor,
    diff_id: Digest,
) -> Result<OciLayer, Error> {
    let name = descriptor.digest.to_string();
    let media_type = &descriptor.media_type;
    if !may_be_layer(media_type) {
        return Err(Error::fault(image, unusable_layer(name, media_type)));
    }
    let mut found = OnceLock::new();
    // One that is not distributed with its image need not be here.
    if !media_type.is_foreign()
        && let Some(content) = blobs.content(descriptor)?
    {
        let detected = detect(content).map_err(|error| Error::reading(image, error))?;
        found = OnceLock::from(detected.0);
    }
    if descriptor.digest == diff_id {
        // What is the plain layer is plain, whatever it starts with.
        found = OnceLock::from(Compression::None);
    }
    Ok(OciLayer {
        blobs: Arc::clone(blobs),
        image: image.to_owned(),
        descriptor: descriptor.clone(),
        diff_id,
        found,
        told: OnceLock::new(),
    })
}

/// Tells a compression by the first bytes, which are returned, too.
fn detect(content: impl Read) -> io::Result<(Compression, Vec<u8>)> {
    let mut start = Vec::new();
    content.take(MAGIC as u64).read_to_end(&mut start)?;
    Ok((Compression::detect(&start), start))
}

/// Reports whether a media type can be that of a layer, however the layer is compressed. Tools have
/// written more types than the specification has.
fn may_be_layer(media_type: &MediaType) -> bool {
    const TAR: &[&str] = &[
        "application/x-tar",
        "application/tar",
        "application/tar+gzip",
        "application/x-gtar",
        "application/gzip",
        "application/x-gzip",
        "application/zstd",
    ];
    const LAYERS: &[&str] = &[
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
    ];
    let text = media_type.as_str();
    let other_compression = || LAYERS.iter().any(|layer| text.starts_with(layer));
    Compression::of(media_type).is_some()
        || media_type.is_generic()
        || TAR.contains(&text)
        || other_compression() && !text.ends_with("+encrypted")
}

/// Returns the fault of a layer of an unknown type, with the reason why it cannot be read.
fn unusable_layer(name: String, media_type: &MediaType) -> Fault {
    let media_type = media_type.to_string();
    let why = match media_type.as_str() {
        text if text.ends_with("+encrypted") => "it is encrypted",
        _ => NO_LAYER,
    };
    Fault::LayerType {
        name,
        media_type,
        why,
    }
}

/// A layer by its descriptor.
#[derive(Debug)]
struct OciLayer {
    blobs: Arc<dyn Blobs>,
    /// The name of its image in errors.
    image: String,
    descriptor: Descriptor,
    diff_id: Digest,
    /// The compression of its bytes, once the first of them have been read.
    found: OnceLock<Compression>,
    /// The same, as somebody found it before.
    told: OnceLock<Compression>,
}

impl OciLayer {
    /// Returns the failure of a layer that cannot be had because its image need not have it, and
    /// any other failure as it is. `why` is the reason why no other place gives the layer, where
    /// one was asked.
    fn explained(&self, error: Error, why: Option<registry::Error>) -> Error {
        if !self.is_foreign() || !error.is_absent_blob() {
            return error;
        }
        let (name, urls) = (self.name(), self.descriptor.urls.clone());
        let why = why.map(|why| terrine_support::chain(&why));
        Error::fault(&self.image, Fault::Foreign { name, urls, why })
    }

    /// The bytes as they are stored: at the place of the image. One that is not distributed with its image may be where
    /// the descriptor says.
    fn stored(&self) -> Result<Box<dyn Read + Send + '_>, Error> {
        let absent = match self.blobs.blob(&self.descriptor) {
            Err(error) if error.is_absent_blob() => error,
            found => return found,
        };
        if !self.is_foreign() {
            return Err(absent);
        }
        match self.blobs.elsewhere(&self.descriptor) {
            Some(Ok(stored)) => Ok(stored),
            Some(Err(why)) => Err(self.explained(absent, Some(why))),
            None => Err(self.explained(absent, None)),
        }
    }
}

impl Layer for OciLayer {
    fn name(&self) -> String {
        self.descriptor.digest.to_string()
    }

    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn descriptor(&self) -> Result<Descriptor, Error> {
        Ok(self.descriptor.clone())
    }

    fn stored_size(&self) -> u64 {
        self.descriptor.size
    }

    fn compression(&self) -> Compression {
        let said = || Compression::of(&self.descriptor.media_type);
        let found = self.found.get().or(self.told.get()).copied();
        found.or_else(said).unwrap_or(Compression::None)
    }

    fn look(&self) -> Result<Compression, Error> {
        if self.found.get().or(self.told.get()).is_none() {
            drop(self.open()?);
        }
        Ok(self.compression())
    }

    fn seen(&self) -> Option<Compression> {
        self.found.get().copied()
    }

    fn told(&self, compression: Compression) {
        // The first answer stays, as the blob does.
        let _ = self.told.set(compression);
    }

    fn is_foreign(&self) -> bool {
        self.descriptor.media_type.is_foreign()
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, Error> {
        let mut stored = self.stored()?;
        if self.found.get().is_some() {
            return Ok(stored);
        }
        let reading = |error| Error::reading(&self.image, error);
        let (found, start) = detect(&mut stored).map_err(reading)?;
        let _ = self.found.set(found);
        Ok(Box::new(io::Cursor::new(start).chain(stored)))
    }

    fn content(&self) -> Result<Option<FilePart<'_>>, Error> {
        let content = match self.blobs.content(&self.descriptor) {
            // Whoever reads it from one end to the other may find it elsewhere.
            Err(error) if error.is_absent_blob() && self.is_foreign() => None,
            content => content?,
        };
        if content.is_some() && self.found.get().is_none() {
            self.look()?;
        }
        Ok(content)
    }

    fn repository(&self) -> Option<&Repository> {
        self.blobs.repository()
    }
}
