//! Destinations that fail to take a part of an image or an index.

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;

use serde_json::json;
use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{Annotations, Descriptor, Digest, Document, MediaType, Platform, Repository};

use super::{Copying, Quiet, alone, copying, plain, read, sample};
use crate::cache::Cache;
use crate::destination::{
    Carrier, Destination, Error as DestinationError, LayoutDestination, Presence, Staged,
};
use crate::layout::Layout;
use crate::source::{Blobs, Error as SourceError, ImageIndex, Opened, pick};

/// A layout that does not take one blob.
#[derive(Debug)]
struct Refusing {
    inner: LayoutDestination,
    refused: Digest,
}

impl Destination for Refusing {
    fn holds(
        &self,
        blob: &Descriptor,
        origins: &[Repository],
    ) -> Result<Presence, DestinationError> {
        self.inner.holds(blob, origins)
    }

    fn stage(&self) -> Result<Staged, DestinationError> {
        self.inner.stage()
    }

    fn keep(
        &self,
        staged: Staged,
        blob: &Descriptor,
        sent: &dyn Fn(u64),
    ) -> Result<(), DestinationError> {
        if blob.digest == self.refused {
            return Err(DestinationError::Output(std::io::Error::other("refused")));
        }
        self.inner.keep(staged, blob, sent)
    }

    fn put_document(&self, document: &Document) -> Result<(), DestinationError> {
        self.inner.put_document(document)
    }

    fn publish(
        &self,
        document: &Document,
        platform: Option<&Platform>,
    ) -> Result<(), DestinationError> {
        self.inner.publish(document, platform)
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}

#[test]
fn a_destination_that_lacks_an_image_keeps_its_old_index() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["amd64", "riscv64"].map(|architecture| sample(architecture, Compression::Gzip));
    let layout = |name: &str| {
        let layout = Layout::create(&folder.path().join(name)).unwrap();
        LayoutDestination::new(layout, Some("web".to_owned()))
    };
    let (whole, old) = (layout("whole"), sample("arm64", Compression::Gzip));
    let both = images.each_ref().map(|image| (None, image.clone()));
    for refused in &images {
        let refusing = Refusing {
            inner: layout("refusing"),
            refused: refused.configuration.digest(),
        };
        let (pool, cache) = (Pool::new(NonZeroUsize::MIN), Cache::none());
        let carrier = |destination| plain(destination, &pool, &cache);
        let all: [Carrier<'_>; 2] = [carrier(&refusing), carrier(&whole)];
        for carriers in [&all[..1], &all] {
            let copying = Copying {
                carriers,
                jobs: NonZeroUsize::MIN,
                annotations: &Annotations::new(),
                reporter: &Quiet,
            };
            alone(copying.image(&old)).unwrap();
            let outcomes = copying.index(&both).unwrap();
            let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
            assert_eq!(failed, [true, false][..carriers.len()]);
            let kept = pick(read(&folder.path().join("refusing")), None).unwrap();
            assert_eq!(kept.manifest, old.manifest);
        }
        assert!(matches!(
            read(&folder.path().join("whole")),
            Opened::Index(_)
        ));
    }
}

#[test]
fn entries_that_are_no_images_need_no_size() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let none = Annotations::new();
    let original = sample("amd64", Compression::Gzip);
    let image = copying(&from, &Setting::NONE, &none, |copying| {
        alone(copying.image(&original))
    });
    let layout = Layout::open(&from).unwrap();
    let put = |bytes: &[u8], kind: &str| {
        let kind = MediaType::parse(kind);
        let descriptor = layout.put(bytes, kind).unwrap();
        Descriptor {
            size: 0,
            ..descriptor
        }
    };
    let parts = [
        put(b"{}", "application/vnd.oci.empty.v1+json"),
        put(
            b"signed",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
    ];
    let signature = json!({
        "schemaVersion": 2, "mediaType": MediaType::OciManifest.as_str(),
        "config": parts[0], "layers": [parts[1]],
    });
    let entries = [
        image.unwrap().descriptor(),
        put(
            signature.to_string().as_bytes(),
            MediaType::OciManifest.as_str(),
        ),
        put(b"thing", "application/x-thing"),
    ];
    let index = json!({"schemaVersion": 2, "manifests": entries});
    let index = Document::parse(index.to_string().into_bytes(), None).unwrap();
    layout.put(&index.bytes, MediaType::OciIndex).unwrap();
    layout.tag(index.descriptor(), Some("web")).unwrap();
    let Opened::Index(opened) = read(&from) else {
        panic!("no index")
    };
    let made = copying(&to, &Setting::NONE, &none, |copying| {
        alone(copying.whole_index(&opened))
    });
    assert_eq!(made.unwrap().bytes, index.bytes);
    for blob in parts.iter().chain(&entries) {
        let path = to.join("blobs/sha256").join(blob.digest.hex());
        assert!(path.exists(), "{blob:?}");
    }
}

/// Blobs, one of which is a document and no blob, as in registries.
#[derive(Debug)]
struct WithDocument {
    inner: Arc<dyn Blobs>,
    document: Digest,
}

impl Blobs for WithDocument {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, SourceError> {
        if blob.digest == self.document {
            let absent = terrine_tar::Fault::NoMember(blob.digest.to_string());
            return Err(SourceError::fault("test", absent.into()));
        }
        self.inner.blob(blob)
    }

    fn unknown(
        &self,
        document: &Descriptor,
    ) -> Option<Result<Box<dyn Read + Send + '_>, SourceError>> {
        Some(self.inner.blob(document))
    }
}

#[test]
fn a_destination_that_fails_to_take_an_unknown_document_has_failed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let none = Annotations::new();
    let layout = |name: &str| {
        let layout = Layout::create(&folder.path().join(name)).unwrap();
        LayoutDestination::new(layout, Some("web".to_owned()))
    };
    let from = folder.path().join("from");
    let original = sample("amd64", Compression::Gzip);
    let image = copying(&from, &Setting::NONE, &none, |copying| {
        alone(copying.image(&original))
    });
    let given = Layout::open(&from).unwrap();
    let kind = MediaType::parse("application/x-thing");
    let thing = given.put(b"thing", kind).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [image.unwrap().descriptor(), thing]});
    let index = Document::parse(index.to_string().into_bytes(), None).unwrap();
    given.put(&index.bytes, MediaType::OciIndex).unwrap();
    given.tag(index.descriptor(), Some("web")).unwrap();
    let Opened::Index(opened) = read(&from) else {
        panic!("no index")
    };
    let blobs: Arc<dyn Blobs> = Arc::new(WithDocument {
        inner: Arc::clone(opened.blobs()),
        document: thing.digest,
    });
    let opened = ImageIndex::new(&blobs, "test", index.clone()).unwrap();
    let refusing = Refusing {
        inner: layout("refusing"),
        refused: thing.digest,
    };
    let whole = layout("whole");
    let (pool, cache) = (Pool::new(NonZeroUsize::MIN), Cache::none());
    let carrier = |destination| plain(destination, &pool, &cache);
    let carriers: [Carrier<'_>; 2] = [carrier(&refusing), carrier(&whole)];
    let copying = Copying {
        carriers: &carriers,
        jobs: NonZeroUsize::MIN,
        annotations: &none,
        reporter: &Quiet,
    };
    let mut outcomes = copying.whole_index(&opened).unwrap();
    assert_eq!(outcomes.pop().unwrap().unwrap().bytes, index.bytes);
    assert!(outcomes.pop().unwrap().is_err());
    // It does not get the index without what it failed to take.
    assert!(
        Layout::open(&folder.path().join("refusing"))
            .unwrap()
            .index()
            .unwrap()
            .manifests
            .is_empty()
    );
    let path = folder
        .path()
        .join("whole/blobs/sha256")
        .join(thing.digest.hex());
    assert!(path.exists());
}
