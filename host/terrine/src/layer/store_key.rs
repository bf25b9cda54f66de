//! The keys of layers of store paths.
//!
//! | the NAR hashes of the paths | the key is made of | it holds |
//! |---|---|---|
//! | all known, of stores or of directories of this machine | content alone | on every machine, for every build of terrine |
//! | some unknown | what the file system knows the others by | on this machine, for this build |

use terrine_oci::Digest;
use terrine_planner_host::is_hashed;

use super::{
    Change, Error, LayerOfStore, Ownership, Store, StoreLayer, StorePath, identity,
    identity_of_all, identity_of_entries, is_canonical, measure,
};
use crate::cache::{LayerKey, LayerKeyBuilder};

/// The version of the bytes that a layer of given NARs has. It grows whenever any release would
/// write other bytes for the same NARs: another order of entries, other fields in headers,
/// other padding, another meaning of the text that permissions are described by. Builds of different
/// releases take each other's layers, so that forgetting it gives images that differ between
/// machines.
const CONTENT_DIALECT: u64 = 1;

/// The version of how layers are written beside their inputs, for keys that hold for one release:
/// it grows when the same inputs come to make other bytes.
const DIALECT: &str = "2";

/// Returns the key of a layer of store paths, each with the SHA-256 digest of its NAR, in the
/// order of the layer. It is the same on every machine.
pub fn content_key<'p>(
    store_dir: &str,
    ownership: &Ownership,
    paths: impl IntoIterator<Item = (&'p str, Digest)>,
) -> LayerKey {
    let key = LayerKey::builder("content of a store layer").number("dialect", CONTENT_DIALECT);
    let mut key = owned(key.field("store", store_dir), ownership);
    for (path, nar_hash) in paths {
        key = key.field("path", path).digest("nar", nar_hash);
    }
    key.finish_portable()
}

/// Returns the key of a layer of store paths that lie in a store of this machine; `nar_hashes` are
/// those of the paths, where they are known. With `directories`, directories whose names say
/// nothing about their content are told by the metadata of everything in them; else they have no
/// key.
///
/// # Errors
///
/// A path that is missing or cannot be looked at.
pub(super) fn key_in_store(
    store: &Store,
    ownership: &Ownership,
    paths: &[StorePath],
    nar_hashes: &[Option<Digest>],
    directories: bool,
) -> Result<Option<LayerKey>, Error> {
    let mut identities = vec![];
    for (index, path) in paths.iter().enumerate() {
        let nar_hash = nar_hashes.get(index).copied().flatten();
        match identify(store, ownership, path, nar_hash, directories)? {
            Some(identity) => identities.push((path, identity)),
            None => return Ok(None),
        }
    }
    let by_content: Option<Vec<(&str, Digest)>> = identities
        .iter()
        .map(|(path, identity)| match identity {
            Identity::Content(hash) => Some((path.as_str(), *hash)),
            Identity::Files(_) => None,
        })
        .collect();
    if let Some(paths) = by_content {
        return Ok(Some(content_key(store.dir(), ownership, paths)));
    }
    let key = LayerKey::builder("store layer")
        .field("dialect", DIALECT)
        .field("version", env!("CARGO_PKG_VERSION"))
        .field("store", store.dir());
    let mut key = owned(key, ownership);
    for (path, identity) in identities {
        key = key.field("path", path.as_str());
        key = match identity {
            Identity::Content(hash) => key.digest("nar", hash),
            Identity::Files(text) => key.field("identity", text),
        };
        if let Some(selection) = store.selection(path.as_str().as_bytes()) {
            key = key.field("selection", selection.describe());
        }
    }
    Ok(Some(key.finish()))
}

/// A store path that was read before its layer is made, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// The store path that it becomes.
    pub path: StorePath,
    /// A digest of the metadata of everything that a layer would have of it.
    files: Digest,
}

impl Hashed {
    /// Looks at a path that is about to be read.
    ///
    /// # Errors
    ///
    /// A path that is missing or cannot be listed.
    pub fn of(store: &Store, path: &StorePath) -> Result<Self, Error> {
        let files = identity_of_entries(store, path)?;
        Ok(Self {
            path: path.clone(),
            files: Digest::of(files.as_bytes()),
        })
    }

    /// Checks that nothing in it has changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`], and a path that is missing or cannot be listed.
    pub fn check(&self, store: &Store) -> Result<(), Error> {
        if Self::of(store, &self.path)? == *self {
            return Ok(());
        }
        Err(Error::Changed {
            path: store.locate(self.path.as_str().as_ref()),
            change: Change::Written,
        })
    }
}

/// The evidence that a store path is the one that it was.
enum Identity {
    /// The digest of its NAR.
    Content(Digest),
    /// The metadata of its files.
    Files(String),
}

fn identify(
    store: &Store,
    ownership: &Ownership,
    path: &StorePath,
    nar_hash: Option<Digest>,
    directories: bool,
) -> Result<Option<Identity>, Error> {
    // It becomes what its cache says, whatever others say.
    if let Some(substitute) = store.substituted(path)? {
        return Ok(Some(Identity::Content(substitute.info().nar_hash)));
    }
    if let Some(hash) = nar_hash.filter(|_| store.is_grafted(path)) {
        return content_of_directory(store, ownership, path, hash).map(Some);
    }
    // A name without a hash may have other content tomorrow, whatever is registered today.
    let immutable = is_hashed(path.as_str()) && !store.is_grafted(path);
    if let Some(hash) = nar_hash.filter(|_| immutable)
        // A NAR has no permissions but those that Nix gives to everything in a store.
        && is_canonical(store, path)?
    {
        return Ok(Some(Identity::Content(hash)));
    }
    if immutable {
        return Ok(Some(Identity::Files(identity(store, path)?)));
    }
    let all = directories.then(|| identity_of_all(store, path));
    Ok(all.transpose()?.map(Identity::Files))
}

/// Returns what a directory of this machine is known by, given the digest of its NAR. A NAR does not have all
/// permissions and attributes that the directory has in a layer, which the headers of its entries have.
fn content_of_directory(
    store: &Store,
    ownership: &Ownership,
    path: &StorePath,
    nar_hash: Digest,
) -> Result<Identity, Error> {
    let layer = StoreLayer {
        paths: vec![path.clone()],
        ..StoreLayer::default()
    };
    let layer = LayerOfStore {
        layer: &layer,
        store,
        ownership,
        watches: [None; 2],
    };
    let headers = measure(&layer)?.outline;
    let content = LayerKey::builder("content of a directory")
        .digest("nar", nar_hash)
        .digest("headers", headers)
        .finish();
    Ok(Identity::Content(content.digest()))
}

/// Adds the owners, the time and the permissions of a layer's entries.
fn owned(key: LayerKeyBuilder, ownership: &Ownership) -> LayerKeyBuilder {
    key.field("uid", ownership.uid.to_string())
        .field("gid", ownership.gid.to_string())
        .field("uname", &ownership.uname)
        .field("gname", &ownership.gname)
        .field("mtime", ownership.mtime.to_string())
        .field("permissions", ownership.permissions.describe())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, Permissions as Mode};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::layer::{Exclude, Given, Pattern, Permissions, Rule, Selection};

    const HELLO: &str = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";
    const WORLD: &str = "/nix/store/8yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-world-1.0";

    fn ownership() -> Ownership {
        Ownership {
            uid: 0,
            gid: 0,
            uname: "root".to_owned(),
            gname: "root".to_owned(),
            mtime: 1,
            permissions: Permissions::default(),
        }
    }

    /// A store with both paths, as Nix makes them.
    fn store() -> (tempfile::TempDir, Store, Vec<StorePath>) {
        let root = tempfile::tempdir().unwrap();
        for (path, mode) in [(HELLO, 0o555), (WORLD, 0o444)] {
            let place = root.path().join(&path[1..]);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, path).unwrap();
            fs::set_permissions(&place, Mode::from_mode(mode)).unwrap();
        }
        let store = Store::open("/nix/store", root.path()).unwrap();
        let paths = [HELLO, WORLD].map(|path| store.path(path).unwrap());
        (root, store, paths.to_vec())
    }

    fn hashes() -> Vec<Option<Digest>> {
        [b"hello", b"world"]
            .map(|text| Some(Digest::of(text)))
            .to_vec()
    }

    fn key(store: &Store, paths: &[StorePath], hashes: &[Option<Digest>]) -> LayerKey {
        let key = key_in_store(store, &ownership(), paths, hashes, false);
        key.unwrap().unwrap()
    }

    #[test]
    fn copies_of_a_store_have_one_key_where_hashes_are_known() {
        let (_root, store, paths) = store();
        let (_elsewhere, other, _) = self::store();
        let (one, two) = (
            key(&store, &paths, &hashes()),
            key(&other, &paths, &hashes()),
        );
        assert_eq!(one, two);
        assert!(one.is_portable());
        // Other files, and another place.
        for hashes in [vec![], vec![None, None], vec![hashes()[0], None]] {
            let (one, two) = (key(&store, &paths, &hashes), key(&other, &paths, &hashes));
            assert_ne!(one, two, "{hashes:?}");
            assert!(!one.is_portable());
            assert_eq!(one, key(&store, &paths, &hashes));
        }
    }

    #[test]
    fn everything_that_the_bytes_depend_on_is_in_the_key() {
        let change = |change: &dyn Fn(&mut Ownership)| {
            let mut ownership = ownership();
            change(&mut ownership);
            ownership
        };
        let rule = Rule {
            pattern: Pattern::glob("/nix/**").unwrap(),
            mode: Some(0o700),
            uid: None,
            gid: None,
            uname: None,
            gname: None,
            xattrs: vec![],
        };
        let (hello, world) = (Digest::of(b"hello"), Digest::of(b"world"));
        let both = [(HELLO, hello), (WORLD, world)];
        let of = |ownership: &Ownership| content_key("/nix/store", ownership, both);
        let mut keys = vec![
            of(&ownership()),
            of(&change(&|own| own.uid = 1)),
            of(&change(&|own| own.gid = 1)),
            of(&change(&|own| own.uname = "me".to_owned())),
            of(&change(&|own| own.gname = "me".to_owned())),
            of(&change(&|own| own.mtime = 0)),
            of(&change(&|own| {
                own.permissions = Permissions::new(vec![rule.clone()]);
            })),
        ];
        for (dir, paths) in [
            ("/gnu/store", &both[..]),
            ("/nix/store", &both[..1]),
            ("/nix/store", &[both[1], both[0]]),
            ("/nix/store", &[(HELLO, world), (WORLD, hello)]),
            ("/nix/store", &[(HELLO, hello), (WORLD, hello)]),
            ("/nix/store", &[]),
        ] {
            keys.push(content_key(dir, &ownership(), paths.iter().copied()));
        }
        let count = keys.len();
        let different: BTreeSet<LayerKey> = keys.into_iter().collect();
        assert_eq!(different.len(), count);
    }

    #[test]
    fn the_key_is_the_one_that_other_releases_make() {
        let paths = [(HELLO, Digest::of(b"hello")), (WORLD, Digest::of(b"world"))];
        let key = content_key("/nix/store", &ownership(), paths);
        // Pinned: it may change only with the dialect.
        assert_eq!(
            key.digest().to_string(),
            "sha256:99938826a1bc4ce93f995a2417fac91ca7861b2ba33ad01a4896abf6789c7e3b"
        );
        let rule = Rule {
            pattern: Pattern::glob("/nix/**").unwrap(),
            mode: Some(0o4755),
            uid: Some(1),
            gid: None,
            uname: Some("me".to_owned()),
            gname: None,
            xattrs: vec![],
        };
        let described = Permissions::new(vec![rule]).describe();
        assert_eq!(
            described,
            r#"(("glob", "/nix/**"), Some(2541), Some(1), None, Some("me"), None)"#
        );
    }

    #[test]
    fn a_directory_has_a_key_by_its_content_where_it_was_read() {
        let key = |mode: u32, keeps_modes: bool, hash: Option<Digest>| {
            let (_root, mut store, _) = store();
            let site = tempfile::tempdir().unwrap();
            fs::write(site.path().join("page"), "hello").unwrap();
            fs::set_permissions(site.path().join("page"), Mode::from_mode(mode)).unwrap();
            let selection = Selection::of(site.path(), &Exclude::none(), keeps_modes).unwrap();
            let given = Given {
                path: "./site".to_owned(),
                name: None,
            };
            let path = store.graft("site", site.path(), selection, given).unwrap();
            let hashed = Hashed::of(&store, &path).unwrap();
            let key = key_in_store(&store, &ownership(), &[path], &[hash], false).unwrap();
            assert!(hashed.check(&store).is_ok());
            fs::write(site.path().join("page"), "hallo").unwrap();
            let changed = hashed.check(&store).unwrap_err();
            assert!(matches!(
                changed,
                Error::Changed {
                    change: Change::Written,
                    ..
                }
            ));
            key
        };
        let hash = Some(Digest::of(b"nar"));
        let one = key(0o644, true, hash).unwrap();
        assert!(one.is_portable());
        // Another place, and permissions that are the same in the image.
        assert_eq!(key(0o644, true, hash), Some(one));
        assert_eq!(key(0o600, false, hash), Some(one));
        assert_ne!(key(0o640, true, hash), Some(one));
        assert_ne!(key(0o644, true, Some(Digest::of(b"other"))), Some(one));
        assert_eq!(key(0o644, true, None), None);
    }

    #[test]
    fn a_path_that_is_not_as_nix_makes_it_is_known_by_its_files() {
        let (root, store, paths) = store();
        let place = root.path().join(&HELLO[1..]);
        for (mode, portable) in [
            (0o755, false),
            (0o644, false),
            (0o4555, false),
            (0o444, true),
        ] {
            fs::set_permissions(&place, Mode::from_mode(mode)).unwrap();
            let key = key(&store, &paths, &hashes());
            assert_eq!(key.is_portable(), portable, "{mode:o}");
        }
        fs::set_permissions(&place, Mode::from_mode(0o755)).unwrap();
        let before = key(&store, &paths, &hashes());
        fs::remove_file(&place).unwrap();
        let missing = key_in_store(&store, &ownership(), &paths, &hashes(), false);
        assert!(matches!(missing, Err(Error::Missing { .. })));
        fs::create_dir(&place).unwrap();
        assert_ne!(key(&store, &paths, &hashes()), before);
        fs::set_permissions(&place, Mode::from_mode(0o555)).unwrap();
        assert!(key(&store, &paths, &hashes()).is_portable());
    }
}
