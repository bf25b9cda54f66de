//! Canonical text, of which digests are made: lines of a label, a space and a value, as
//! `identity` describes it.

use std::fmt::Display;

use super::identity::{Content, Copied, Listed, PathContent};
use crate::spec::PermissionSpec;

/// The form in the making.
pub(super) struct Form(String);

impl Form {
    /// A form with only its first line, which names its kind and version.
    pub(super) fn new(version: &str) -> Self {
        Self(version.to_owned())
    }

    /// The whole form.
    pub(super) fn text(self) -> String {
        self.0
    }

    /// A value that can hold no line break.
    pub(super) fn plain(&mut self, label: &str, value: impl Display) {
        self.0.push_str(&format!("{label} {value}\n"));
    }

    /// The same, where there is one.
    pub(super) fn given(&mut self, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.plain(label, value);
        }
    }

    /// A line that is there if something is so.
    pub(super) fn flag(&mut self, label: &str, is_so: bool) {
        self.given(label, is_so.then_some("yes"));
    }

    /// Any bytes.
    pub(super) fn quoted(&mut self, label: &str, value: impl AsRef<[u8]>) {
        self.plain(label, format_args!("\"{}\"", value.as_ref().escape_ascii()));
    }

    pub(super) fn rule(&mut self, rule: &PermissionSpec) {
        let PermissionSpec {
            path,
            regex,
            mode,
            uid,
            gid,
            uname,
            gname,
            capabilities,
        } = rule;
        // One of these two is there, and begins the rule.
        for (label, pattern) in [("rule.path", path), ("rule.regex", regex)] {
            if let Some(pattern) = pattern {
                self.quoted(label, pattern);
            }
        }
        self.given("rule.mode", mode.map(|mode| format!("{:o}", mode.0)));
        self.given("rule.uid", *uid);
        self.given("rule.gid", *gid);
        for (label, name) in [
            ("rule.uname", uname),
            ("rule.gname", gname),
            ("rule.capabilities", capabilities),
        ] {
            if let Some(name) = name {
                self.quoted(label, name);
            }
        }
    }

    pub(super) fn copied(&mut self, copied: &Copied<'_>) {
        self.quoted("copy", copied.path);
        match &copied.content {
            Content::Named(place) => self.quoted("copy.of", place),
            Content::Bytes(digest) => self.plain("copy.content", digest),
        }
    }

    pub(super) fn listed(&mut self, listed: &Listed<'_>) {
        self.quoted("path", listed.path);
        self.plain("path.size", listed.size);
        for reference in &listed.references {
            self.quoted("path.reference", reference);
        }
        self.flag("path.wanted", listed.wanted);
        self.flag("path.in-base", listed.in_base);
        if let Some(PathContent { entries, content }) = listed.content {
            self.plain("path.entries", entries);
            self.plain("path.content", content);
        }
    }
}
