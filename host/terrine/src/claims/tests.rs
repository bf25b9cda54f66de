use super::*;
use terrine_compress::Compression;
use terrine_oci::{Document, Manifest};

use crate::source::testing::{MemoryLayer, image};

const GZIP: &str = "gzip level 4";

/// A change to a manifest.
type Change = Box<dyn FnOnce(&mut Manifest)>;

fn key(name: &str) -> LayerKey {
    LayerKey::builder("test")
        .field("name", name)
        .finish_portable()
}

/// An image with one layer of these bytes for each key, and what its manifest claims of them, as
/// `change` leaves it.
fn claiming(author: &str, layers: &[(&str, &[u8])], change: impl FnOnce(&mut Manifest)) -> Image {
    let made = layers.iter().map(|(name, bytes)| {
        let mut layer = MemoryLayer::new(bytes, Compression::Gzip);
        let annotations = [
            (annotation::LAYER_KEY, key(name).digest().to_string()),
            (annotation::LAYER_DIFF_ID, layer.diff_id.to_string()),
            (annotation::LAYER_SIZE, bytes.len().to_string()),
        ];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value));
        layer.descriptor.annotations.extend(annotations);
        layer
    });
    let mut image = image(made.collect(), |_| {});
    image.name = author.to_owned();
    let Some(Content::Manifest(mut manifest)) = image.manifest.map(|document| document.content)
    else {
        panic!("no manifest")
    };
    let setting = (annotation::COMPRESSION.to_owned(), GZIP.to_owned());
    manifest.annotations.extend([setting]);
    change(&mut manifest);
    let document: Document = manifest.to_document();
    image.manifest = Some(document);
    image
}

fn of(images: &[Image]) -> Claims {
    let mut claims = Claims::none();
    for image in images {
        claims.add(image);
    }
    claims
}

fn plain(bytes: &[u8]) -> Plain {
    Plain {
        diff_id: Digest::of(bytes),
        size: bytes.len() as u64,
    }
}

/// Returns the authors of the claims that can be used, and the contradiction.
fn authors(claims: &Claims, name: &str, own: OwnFacts) -> (Vec<String>, Option<String>) {
    let usable = claims.usable(&key(name), GZIP, own);
    let authors = usable.claims.iter().map(|claim| claim.author.clone());
    (authors.collect(), usable.contradiction)
}

#[test]
fn a_manifest_claims_its_layers() {
    let image = claiming("one", &[("a", b"1"), ("b", b"22")], |_| {});
    let claims = of(std::slice::from_ref(&image));
    let usable = claims.usable(&key("b"), GZIP, OwnFacts::default());
    let [claim] = &usable.claims[..] else {
        panic!("{usable:?}")
    };
    let layer = &image.layers[1];
    assert_eq!(claim.plain, plain(b"22"));
    assert_eq!(
        (claim.blob.digest, claim.blob.size),
        (layer.descriptor().unwrap().digest, layer.stored_size())
    );
    // Its annotations are not those of the image that is made.
    assert!(claim.blob.annotations.is_empty());
    assert_eq!(claims.settings().into_iter().collect::<Vec<_>>(), [GZIP]);
    let unknown = [
        claims.usable(&key("c"), GZIP, OwnFacts::default()),
        claims.usable(&key("b"), "gzip level 5", OwnFacts::default()),
    ];
    for usable in unknown {
        assert!(usable.claims.is_empty() && usable.contradiction.is_none());
    }
}

#[test]
fn what_says_too_little_or_too_much_is_no_claim() {
    let remove = |name: &'static str| {
        move |manifest: &mut Manifest| {
            manifest.layers[0].annotations.remove(name);
        }
    };
    let set = |name: &'static str, value: &'static str| {
        move |manifest: &mut Manifest| {
            let pair = (name.to_owned(), value.to_owned());
            manifest.layers[0].annotations.extend([pair]);
        }
    };
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let changes: Vec<Change> = vec![
        Box::new(remove(annotation::LAYER_KEY)),
        Box::new(remove(annotation::LAYER_DIFF_ID)),
        Box::new(remove(annotation::LAYER_SIZE)),
        Box::new(set(annotation::LAYER_KEY, "x")),
        Box::new(set(annotation::LAYER_SIZE, "-1")),
        // The configuration says otherwise.
        Box::new(set(annotation::LAYER_DIFF_ID, other)),
        Box::new(|manifest| manifest.layers[0].size = 0),
        Box::new(|manifest| manifest.annotations.clear()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut claims = Claims::none();
        let image = claiming("one", &[("a", b"1")], change);
        assert_eq!(claims.add(&image), 0, "{number}");
    }
    let mut image = claiming("one", &[("a", b"1")], |_| {});
    image.manifest = None;
    assert_eq!(Claims::none().add(&image), 0);
}

#[test]
fn claims_that_contradict_each_other_are_not_used() {
    let one = claiming("one", &[("a", b"1"), ("b", b"2")], |_| {});
    let same = claiming("same", &[("a", b"1")], |_| {});
    let other = claiming("other", &[("a", b"x")], |manifest| {
        // Another compression of another layer.
        let setting = (annotation::COMPRESSION.to_owned(), "zstd".to_owned());
        manifest.annotations.extend([setting]);
    });
    let claims = of(&[one, same, other]);
    let (used, told) = authors(&claims, "a", OwnFacts::default());
    assert!(used.is_empty());
    let told = told.unwrap();
    assert!(
        told.starts_with("`one` and `other` contradict each other"),
        "{told}"
    );
    // It is reported once.
    assert_eq!(authors(&claims, "a", OwnFacts::default()), (vec![], None));
    assert_eq!(authors(&claims, "b", OwnFacts::default()).0, ["one"]);
}

#[test]
fn this_machine_knows_better() {
    let one = claiming("one", &[("a", b"1")], |_| {});
    let other = claiming("other", &[("a", b"x")], |_| {});
    let own = OwnFacts {
        plain: Some(plain(b"1")),
        stored: None,
    };
    let claims = of(&[one.clone(), other]);
    let (used, told) = authors(&claims, "a", own);
    assert_eq!(used, ["one"]);
    let told = told.unwrap();
    assert!(
        told.starts_with("the layer cache and `other` contradict"),
        "{told}"
    );
    // The same layer, and another blob.
    let stored = Some(Stored {
        digest: Digest::of(b"another encoder"),
        size: 9,
    });
    let (used, told) = authors(&of(&[one]), "a", OwnFacts { stored, ..own });
    assert!(used.is_empty() && told.is_some());
}

#[test]
fn a_false_claim_is_not_used_again() {
    let images = ["one", "two"].map(|author| claiming(author, &[("a", b"1")], |_| {}));
    let claims = of(&images);
    let usable = claims.usable(&key("a"), GZIP, OwnFacts::default());
    claims.reject(&usable.claims[0]);
    assert_eq!(authors(&claims, "a", OwnFacts::default()).0, ["two"]);
    assert!(claims.refuted(&key("a"), Digest::of(b"1")).is_empty());
    // The other one was reported before.
    assert_eq!(claims.refuted(&key("a"), Digest::of(b"2")), ["two"]);
    assert!(claims.refuted(&key("a"), Digest::of(b"2")).is_empty());
    assert!(authors(&claims, "a", OwnFacts::default()).0.is_empty());
}

#[test]
fn a_key_of_this_machine_has_no_claims() {
    let claims = of(&[claiming("one", &[("a", b"1")], |_| {})]);
    let local = LayerKey::builder("test").field("name", "a").finish();
    assert_eq!(local.digest(), key("a").digest());
    assert!(
        claims
            .usable(&local, GZIP, OwnFacts::default())
            .claims
            .is_empty()
    );
}

/// A source in memory: an answer for each key, and the number of questions.
#[derive(Debug, Default)]
struct Source {
    claims: Vec<(Digest, Claim)>,
    fails: bool,
    asked: std::sync::atomic::AtomicUsize,
}

impl Source {
    fn asked(&self) -> usize {
        self.asked.swap(0, std::sync::atomic::Ordering::Relaxed)
    }
}

impl LookUp for Source {
    fn name(&self) -> String {
        "docker://r/layers".to_owned()
    }

    fn find(&self, key: Digest, _: &str) -> Result<Option<Claim>, EntryError> {
        self.asked
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.fails {
            return Err(EntryError::Other("docker://r/layers:layer-1".to_owned()));
        }
        let found = self.claims.iter().find(|(known, _)| *known == key);
        Ok(found.map(|(_, claim)| claim.clone()))
    }
}

#[test]
fn a_repository_is_asked_until_it_answers() {
    let image = claiming("entry", &[("a", b"1")], |_| {});
    let source = Arc::new(Source {
        claims: of_image(&image),
        ..Source::default()
    });
    let mut claims = Claims::none();
    claims.sources.push(Arc::clone(&source) as Arc<dyn LookUp>);
    assert_eq!(authors(&claims, "a", OwnFacts::default()).0, [""; 0]);
    for (name, questions, found) in [("a", 1, 1), ("b", 2, 0)] {
        for _ in 0..2 {
            assert!(claims.look_up(&key(name), GZIP).is_empty());
        }
        assert_eq!(source.asked(), questions, "{name}");
        let (authors, _) = authors(&claims, name, OwnFacts::default());
        assert_eq!(authors.len(), found, "{name}");
    }
    // A key of this machine means nothing to others.
    let own = LayerKey::builder("test").field("name", "a").finish();
    claims.look_up(&own, GZIP);
    assert_eq!(source.asked(), 0);
}

#[test]
fn an_entry_that_cannot_be_used_is_reported_once() {
    let source = Arc::new(Source {
        fails: true,
        ..Source::default()
    });
    let mut claims = Claims::none();
    claims.sources.push(source);
    let told = claims.look_up(&key("a"), GZIP);
    let [Told { what, hint }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        what,
        "a layer is not used: `docker://r/layers:layer-1` is not an entry for this layer"
    );
    assert!(hint.is_some());
    assert!(claims.look_up(&key("a"), GZIP).is_empty());
}
