//! The canonical form of an image: all that makes it what it is and that its name, its platform
//! and its configuration do not tell, as text. The generated tag is a digest of it.
//!
//! Each line is a label, a space and a value. Numbers are decimal, modes octal, digests
//! `sha256:` and hexadecimal digits. Other text stands between quotes, and of its bytes those
//! that are no printable ASCII, quotes and backslashes are escaped as in Rust, so that a value
//! never ends early and none has two spellings. Options are JSON with its keys sorted and
//! without white space. What was not said has no line. The lines of a rule, a copy and a path
//! follow the one that begins it:
//!
//! ```text
//! terrine image 1
//! created "1970-01-01T00:00:01+00:00"
//! mtime 1
//! uid 0
//! gid 0
//! uname "root"
//! gname "root"
//! rule.path "/data/**"
//! rule.mode 750
//! store "/nix/store"
//! policy "least-pull"
//! options {}
//! root sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
//! copy "/etc/motd"
//! copy.content sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
//! path "/nix/store/6xg259477c90a229xwmb53pdfkn6ig3g-hello-2.12.1"
//! path.size 900
//! path.wanted yes
//! ```
//!
//! Whatever changes the form changes the tag of every image that was given none. Then the number
//! in its first line grows, and the change log says so.

#[cfg(test)]
mod tests;

use terrine_oci::Digest;

use super::form::Form;
use crate::layer::Ownership;
use crate::spec::{PermissionSpec, When};

/// The first line.
const VERSION: &str = "terrine image 1\n";

/// The input for the tag of an image, beside what the planner is told anyway.
#[derive(Debug, Clone)]
pub(super) struct Identity<'a> {
    /// The time at which the image says that it was created; `now` stays that word, so that what
    /// differs in its date alone keeps its tag.
    pub(super) created: When,
    /// The owner and the time of files, but for the rules.
    pub(super) ownership: &'a Ownership,
    /// The rules of [`Identity::ownership`] as they were given.
    pub(super) permissions: &'a [PermissionSpec],
    /// The store's directory.
    pub(super) store_dir: &'a str,
    /// The grouping of store paths; none where there are none.
    pub(super) grouping: Option<Grouping<'a>>,
    /// A digest of what is known of the image's history.
    pub(super) past: Option<Digest>,
    /// The digest of all that went into commands at the root, which then stands for what they
    /// left there.
    pub(super) commands: Option<Digest>,
    /// A digest of the layer at the root, but for what is copied.
    pub(super) root: Digest,
    /// The files that are copied to the root.
    pub(super) copies: Vec<Copied<'a>>,
    /// The store paths.
    pub(super) paths: Vec<Listed<'a>>,
}

/// The way in which store paths are grouped.
#[derive(Debug, Clone)]
pub(super) struct Grouping<'a> {
    /// The policy's name; empty for the first one of a component.
    pub(super) policy: &'a str,
    /// Its options, as canonical JSON.
    pub(super) options: &'a str,
    /// The component, where it is not the built-in one, which may change with each release and
    /// leave images as they are.
    pub(super) component: Option<Digest>,
}

/// A file that is copied to the root.
#[derive(Debug, Clone)]
pub(super) struct Copied<'a> {
    /// Its path in the image.
    pub(super) path: &'a [u8],
    /// Its content.
    pub(super) content: Content,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// The content of this file of a store path, whose name carries a hash.
    Named(Vec<u8>),
    /// Bytes of this digest.
    Bytes(Digest),
}

/// A store path.
#[derive(Debug, Clone)]
pub(super) struct Listed<'a> {
    pub(super) path: &'a str,
    /// Its size in bytes, as the policy is told it.
    pub(super) size: u64,
    /// The paths that it refers to.
    pub(super) references: Vec<&'a str>,
    /// True if the image names it directly.
    pub(super) wanted: bool,
    /// True if the base image has it already.
    pub(super) in_base: bool,
    /// Its content, where its name does not tell.
    pub(super) content: Option<PathContent>,
}

/// The content of a store path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PathContent {
    /// A digest of its entries as they go into a layer, but for what is in files.
    pub(super) entries: Digest,
    /// A digest of the digests of all that is in files.
    pub(super) content: Digest,
}

impl Identity<'_> {
    /// The canonical form.
    pub(super) fn text(&self) -> String {
        let Ownership {
            uid,
            gid,
            uname,
            gname,
            mtime,
            permissions: _,
        } = self.ownership;
        let mut form = Form::new(VERSION);
        form.quoted("created", self.created.to_string());
        form.plain("mtime", mtime);
        form.plain("uid", uid);
        form.plain("gid", gid);
        form.quoted("uname", uname);
        form.quoted("gname", gname);
        for rule in self.permissions {
            form.rule(rule);
        }
        form.quoted("store", self.store_dir);
        if let Some(grouping) = &self.grouping {
            form.quoted("policy", grouping.policy);
            form.plain("options", grouping.options);
            form.given("planner", grouping.component);
        }
        form.given("past", self.past);
        match self.commands {
            Some(key) => form.plain("commands", key),
            None => {
                form.plain("root", self.root);
                for copied in &self.copies {
                    form.copied(copied);
                }
            }
        }
        for listed in &self.paths {
            form.listed(listed);
        }
        form.text()
    }
}
