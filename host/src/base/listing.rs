//! What the layers of a base image hold, by their headers.

use std::io::{self, Read};

use tar::EntryType;

use super::compression::Compression;
use super::merged::{Layer, Merged, Node, NodeKind};
use super::{Base, BaseLayer, Error, Fault, Fingerprint};

/// More entries than any image has that is built upon, in one layer and in all.
const MAX_ENTRIES: usize = 1 << 22;
/// How many links may lead from one path to the next, as Linux has it.
const MAX_LINKS: usize = 40;
/// What the names of whiteouts start with (OCI image specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout of everything in a directory that lower layers have.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The root file system of a base image, without the contents of files.
#[derive(Debug, Default)]
pub struct Listing {
    merged: Merged,
}

impl Base {
    /// Lists what is there when all layers are on top of each other. Contents are skipped,
    /// but compressed layers have to be unpacked for that.
    ///
    /// # Errors
    ///
    /// A layer that is no archive, or can not be unpacked.
    pub fn listing(&self) -> Result<Listing, Error> {
        let mut merged = Merged::default();
        for layer in &self.layers {
            merged.add(self.list(layer, merged.len())?);
        }
        Ok(Listing { merged })
    }

    fn list(&self, layer: &BaseLayer, before: usize) -> Result<Layer, Error> {
        let failed = |why: &io::Error| {
            let fault = Fault::Listing { layer: layer.name.clone(), why: why.to_string() };
            Error::fault(&self.path, fault)
        };
        let raw = self.archive.content(&layer.member);
        if layer.compression == Compression::None {
            let mut archive = tar::Archive::new(raw);
            return read(archive.entries_with_seek().map_err(|e| failed(&e))?, before)
                .map_err(|e| failed(&e));
        }
        let plain = layer.compression.decoder(raw).map_err(|error| failed(&error))?;
        let mut archive = tar::Archive::new(plain.take(super::archive::MAX_UNPACKED));
        read(archive.entries().map_err(|e| failed(&e))?, before).map_err(|e| failed(&e))
    }
}

/// Reads the entries of a layer; `before` is how many there are below it.
fn read<R: Read>(entries: tar::Entries<'_, R>, before: usize) -> io::Result<Layer> {
    let mut layer = Layer::default();
    for entry in entries {
        let entry = entry?;
        let Some(path) = plain(&entry.path_bytes()) else { continue };
        if layer.len() + before >= MAX_ENTRIES {
            return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} entries")));
        }
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], &path[..]),
        };
        if name == OPAQUE {
            layer.opaque.push(parent.to_vec());
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            let slash: &[u8] = if parent.is_empty() { b"" } else { b"/" };
            layer.removed.push([parent, slash, hidden].concat());
        } else {
            let link = || entry.link_name_bytes().unwrap_or_default().into_owned();
            let kind = match entry.header().entry_type() {
                EntryType::Directory => NodeKind::Directory,
                EntryType::Symlink => NodeKind::Symlink(link().into()),
                EntryType::Link => match plain(&link()) {
                    Some(target) => NodeKind::HardLink(target.into()),
                    None => continue,
                },
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    NodeKind::File(entry.size())
                }
                _ => NodeKind::Special,
            };
            layer.entries.push((path, Node::new(kind)));
        }
    }
    Ok(layer)
}

/// A path without slashes at its ends and `.`; none for the root itself, and for a path
/// that leads out of it, which nobody unpacks.
fn plain(path: &[u8]) -> Option<Vec<u8>> {
    let components = path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let components: Vec<&[u8]> = components.collect();
    let sound = !components.is_empty() && !components.contains(&&b".."[..]);
    sound.then(|| components.join(&b'/'))
}

impl Listing {
    /// The target of a symbolic link, if the absolute path `path` is one. Links on the way
    /// to it are not followed.
    pub fn link_at(&self, path: &[u8]) -> Option<&[u8]> {
        match &self.merged.get(&plain(path)?)?.kind {
            NodeKind::Symlink(target) => Some(target),
            _ => None,
        }
    }

    /// Whether an absolute path leads to anything, links followed.
    pub fn exists(&self, path: &[u8]) -> bool {
        let mut rest: Vec<Vec<u8>> = reversed(path);
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                at.truncate(at.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                continue;
            }
            let parent = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&name);
            let Some(node) = self.merged.get(&at) else {
                // Archives need not have entries for directories.
                if self.merged.has_below(&at) {
                    continue;
                }
                return false;
            };
            if let NodeKind::Symlink(target) = &node.kind {
                links += 1;
                if links > MAX_LINKS {
                    return false;
                }
                at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                rest.extend(reversed(target));
            }
        }
        true
    }

    /// Whether a store path is there as a whole: the same entries of the same kinds, sizes
    /// and targets, all of them from one layer. Owners, permissions and times are not
    /// looked at.
    pub fn holds(&self, path: &str, fingerprint: &Fingerprint) -> bool {
        let Some(path) = plain(path.as_bytes()) else { return false };
        let mut own = Fingerprint::default();
        for (below, node) in self.merged.tree(&path) {
            let size = self.merged.size(node);
            match (&node.kind, size) {
                _ if node.replaced => return false,
                (NodeKind::Directory, _) => own.add(below, crate::layer::Kind::Directory, 0, b""),
                (NodeKind::Symlink(target), _) => own.add(below, crate::layer::Kind::Symlink, 0, target),
                (NodeKind::File(_) | NodeKind::HardLink(_), Some(size)) => {
                    own.add(below, crate::layer::Kind::File, size, b"");
                }
                _ => return false,
            }
        }
        own == *fingerprint
    }
}

/// A path's components, the last one first.
fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    let components = path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    components.map(<[u8]>::to_vec).rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of entries: `name/` is a directory, `name -> target` a link, `name => target`
    /// a hard link, `name=5` a file of five bytes.
    fn layer(entries: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(0);
            if let Some((name, target)) = entry.split_once(" -> ") {
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, name, target).unwrap();
            } else if let Some((name, target)) = entry.split_once(" => ") {
                header.set_entry_type(EntryType::Link);
                builder.append_link(&mut header, name, target).unwrap();
            } else if let Some((name, size)) = entry.split_once('=') {
                let content = vec![b'x'; size.parse().unwrap()];
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, name, &content[..]).unwrap();
            } else {
                let directory = entry.ends_with('/');
                header.set_entry_type(if directory { EntryType::Directory } else { EntryType::Regular });
                builder.append_data(&mut header, entry, &b""[..]).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn listing(layers: &[&[&str]]) -> Listing {
        let mut merged = Merged::default();
        for entries in layers {
            let bytes = layer(entries);
            let before = merged.len();
            merged.add(read(tar::Archive::new(&bytes[..]).entries().unwrap(), before).unwrap());
        }
        Listing { merged }
    }

    fn exists(listing: &Listing, paths: &[&str]) -> String {
        paths.iter().map(|path| if listing.exists(path.as_bytes()) { '+' } else { '-' }).collect()
    }

    #[test]
    fn upper_layers_hide_what_is_below() {
        let below: &[&str] = &["./a/", "a/b=1", "a/c/", "a/c/d=1", "e/f=1"];
        let all = ["/a/b", "/a/c/d", "/e/f"];
        for (above, expected) in [
            (&[][..], "+++"),
            (&["a/.wh.b"], "-++"),
            (&["a/.wh.c"], "+-+"),
            (&[".wh.a"], "--+"),
            (&["a/.wh..wh..opq"], "--+"),
            (&[".wh..wh..opq"], "---"),
            // Within one layer, a whiteout is only about what is below.
            (&["a/.wh.c", "a/c/d=1"], "+++"),
            (&["a/c/d=1", "a/.wh..wh..opq"], "-++"),
            (&["a=1"], "--+"),
            (&["a/c -> /e"], "+-+"),
            (&["a/"], "+++"),
            (&["e/.wh.a"], "+++"),
        ] {
            assert_eq!(exists(&listing(&[below, above]), &all), expected, "{above:?}");
        }
    }

    #[test]
    fn links_are_followed_within_the_image() {
        let listing = listing(&[&[
            "usr/bin/sh=1",
            "bin -> usr/bin",
            "etc/up -> ../../usr",
            "etc/absolute -> /bin/sh",
            "loop -> loop",
            "dangling -> nowhere",
        ]]);
        let paths =
            ["/bin/sh", "/etc/up/bin/sh", "/etc/absolute", "/loop", "/dangling", "/usr", "/bin/no", "/"];
        assert_eq!(exists(&listing, &paths), "+++--+-+");
        assert_eq!(listing.link_at(b"/bin"), Some(&b"usr/bin"[..]));
        assert_eq!(listing.link_at(b"/bin/"), Some(&b"usr/bin"[..]));
        assert_eq!(listing.link_at(b"/usr"), None);
        assert_eq!(listing.link_at(b"/bin/sh"), None);
    }

    #[test]
    fn names_that_lead_out_are_not_there() {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.as_mut_bytes()[..10].copy_from_slice(b"a/../../up");
        header.set_cksum();
        let archive = [&header.as_bytes()[..], &[0; 1024]].concat();
        assert_eq!(read(tar::Archive::new(&archive[..]).entries().unwrap(), 0).unwrap().len(), 0);
    }

    #[test]
    fn a_store_path_is_held_only_if_it_is_whole() {
        let entries =
            ["nix/store/x/", "nix/store/x/a=3", "nix/store/x/l -> a", "nix/store/x/h => nix/store/x/a"];
        let fingerprint = || {
            let mut fingerprint = Fingerprint::default();
            fingerprint.add(b"", crate::layer::Kind::Directory, 0, b"");
            fingerprint.add(b"/h", crate::layer::Kind::File, 3, b"");
            fingerprint.add(b"/l", crate::layer::Kind::Symlink, 0, b"a");
            fingerprint.add(b"/a", crate::layer::Kind::File, 3, b"");
            fingerprint
        };
        for (above, expected) in [
            (&[][..], true),
            (&["nix/store/y/a=3"], true),
            (&["nix/store/", "nix/"], true),
            (&["nix/store/x/a=4"], false),
            (&["nix/store/x/a=3"], false),
            (&["nix/store/x/b=0"], false),
            (&["nix/store/x/.wh.a"], false),
            (&["nix/.wh.store"], false),
            (&["nix/store/x/l -> b"], false),
        ] {
            let listing = listing(&[&entries, above]);
            assert_eq!(listing.holds("/nix/store/x", &fingerprint()), expected, "{above:?}");
        }
        assert!(!listing(&[&entries[..3]]).holds("/nix/store/x", &fingerprint()));
        assert!(!listing(&[]).holds("/nix/store/x", &fingerprint()));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let junk = [b'x'; 2048];
        assert!(read(tar::Archive::new(&junk[..]).entries().unwrap(), 0).is_err());
        let cut = &layer(&["a=5000"])[..1024];
        assert!(read(tar::Archive::new(cut).entries().unwrap(), 0).is_err());
    }
}
