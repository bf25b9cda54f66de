//! Rules for permissions that change nothing.

use std::convert::Infallible;

use terrine_support::remark::Remark;
use terrine_tar::Kind;

use super::complete::Complete;
use crate::layer::{Permissions, Rule, Store, StorePath, Tree};
use crate::links::Walk;
use crate::startup::{Files, Look};

/// The effects of a rule.
#[derive(Debug, Default, Clone)]
struct Use {
    /// True if an owner was set, or could be. The next two fields say the same of permissions and
    /// attributes.
    owner: bool,
    mode: bool,
    attributes: bool,
    /// The earlier rule that has a path which this one matches too.
    taken: Option<usize>,
    /// The first entry that it was applied to: what that is, and its path.
    first: Option<(Kind, Vec<u8>)>,
}

impl Use {
    /// Returns the fields of a rule that changed nothing.
    fn idle(&self, rule: &Rule) -> Vec<&'static str> {
        let owners = [
            ("uid", rule.uid.is_some()),
            ("gid", rule.gid.is_some()),
            ("uname", rule.uname.is_some()),
            ("gname", rule.gname.is_some()),
        ];
        let owners = owners.map(|(name, given)| (name, given, self.owner));
        let others = [
            ("mode", rule.mode.is_some(), self.mode),
            ("capabilities", !rule.xattrs.is_empty(), self.attributes),
        ];
        let fields = others.into_iter().chain(owners);
        let idle = fields.filter(|(_, given, used)| *given && !used);
        idle.map(|(name, ..)| name).collect()
    }
}

/// Rules that entries are tried on.
struct Trial<'a> {
    rules: &'a [Rule],
    uses: Vec<Use>,
}

impl Trial<'_> {
    fn entry(&mut self, path: &[u8], kind: Kind) {
        let mut first = None;
        for (number, (rule, used)) in self.rules.iter().zip(&mut self.uses).enumerate() {
            if !rule.pattern.matches(path) {
                continue;
            }
            if let Some(first) = first {
                used.taken.get_or_insert(first);
                continue;
            }
            first = Some(number);
            used.owner = true;
            used.mode |= kind != Kind::Symlink;
            used.attributes |= kind == Kind::File;
            used.first.get_or_insert_with(|| (kind, path.to_vec()));
        }
    }

    /// Tries what a store path has, if that may be of use to a rule.
    fn store_path(&mut self, store: &Store, path: &StorePath) {
        let concerns = |rule: &Rule| {
            let (prefix, is_whole) = rule.pattern.prefix();
            let top = path.as_str();
            prefix.starts_with(top) || (!is_whole && top.starts_with(prefix))
        };
        let mut pairs = self.rules.iter().zip(&self.uses);
        if !pairs.any(|(rule, used)| !used.idle(rule).is_empty() && concerns(rule)) {
            return;
        }
        // What cannot be listed is told when the layer is made.
        let Ok(tree) = Tree::walk(store, std::slice::from_ref(path)) else {
            return;
        };
        let walked: Result<(), Infallible> = tree.for_each(|entry| {
            self.entry(entry.path, entry.kind);
            Ok(())
        });
        debug_assert!(walked.is_ok());
    }
}

/// Warns of rules that change nothing in an image.
pub(super) fn remarks(
    permissions: &Permissions,
    complete: &Complete,
    files: &dyn Files,
) -> Vec<Remark> {
    let rules = permissions.rules();
    let uses = vec![Use::default(); rules.len()];
    let mut trial = Trial { rules, uses };
    if rules.is_empty() {
        return vec![];
    }
    for entry in complete.root.entries() {
        trial.entry(entry.path, entry.kind);
    }
    if complete.paths.any() {
        for path in complete.store.ancestors() {
            trial.entry(path.as_bytes(), Kind::Directory);
        }
    }
    for path in complete.paths.own() {
        trial.store_path(&complete.store, path);
    }
    let told = rules.iter().zip(&trial.uses).enumerate();
    let image = Made { complete, files };
    let remarks = told.filter_map(|(number, (rule, used))| {
        let idle = used.idle(rule);
        let text = rule.pattern.text();
        (!idle.is_empty()).then(|| image.remark(number, text, &idle, used))
    });
    remarks.collect()
}

/// The image that rules were tried on.
struct Made<'a> {
    complete: &'a Complete,
    files: &'a dyn Files,
}

impl Made<'_> {
    fn remark(&self, number: usize, text: &str, idle: &[&str], used: &Use) -> Remark {
        let rule = format!("`permissions[{number}]` for `{text}`");
        let verb = if idle.len() == 1 { "does" } else { "do" };
        let idle = format!("`{}` {verb} not apply", idle.join("` and `"));
        let (why, hint) = match (&used.first, used.taken) {
            (Some((Kind::Symlink, path)), _) => {
                let link = String::from_utf8_lossy(path);
                let why = format!("{idle} to `{link}`, which is a symbolic link");
                (why, self.led(path))
            }
            (Some((_, path)), _) => {
                let path = String::from_utf8_lossy(path);
                let why = format!("{idle} to `{path}`, which is not a file");
                (why, "write the path of a program".to_owned())
            }
            (None, Some(earlier)) => (
                format!("`permissions[{earlier}]` comes before it and has the same path"),
                "the first rule for a path counts: write all in it, or the narrower rule first"
                    .to_owned(),
            ),
            (None, None) if self.is_below(text.as_bytes()) => (
                "it is in the base image, whose layers stay as they are".to_owned(),
                "put a file of its own there with `files`, or leave the rule out".to_owned(),
            ),
            (None, None) => (
                "nothing in the image has such a path".to_owned(),
                self.led(text.as_bytes()),
            ),
        };
        Remark::warning(format!("{rule} has no effect: {why}")).hint(hint)
    }

    /// Names the path that another leads to, if a rule could be for that.
    fn led(&self, path: &[u8]) -> String {
        let end = self.end(path).filter(|end| self.is_own(end));
        match end.map(|end| String::from_utf8_lossy(&end).into_owned()) {
            Some(end) => format!("write the target of the link: `{end}`"),
            None => "write the path of a file or directory of this image, without links".to_owned(),
        }
    }

    /// Returns the path without links of what is at a path, if something is.
    fn end(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut walk = Walk::along(path);
        while let Some(at) = walk.step() {
            match self.files.look(at) {
                Look::Link(target) => walk.follow(&target)?,
                Look::Directory | Look::File { .. } => {}
                Look::Nothing | Look::Unknown => return None,
            }
        }
        Some(walk.end())
    }

    /// Says whether a path is in a layer that is made.
    fn is_own(&self, path: &[u8]) -> bool {
        let Complete {
            root, store, paths, ..
        } = self.complete;
        let in_store = || store.path(&String::from_utf8_lossy(path)).ok();
        let is_within = |path: StorePath| paths.own().any(|own| path.is_within(own));
        root.get(path).is_some() || in_store().is_some_and(is_within)
    }

    /// Says whether there is something at a path and it is in the base image.
    fn is_below(&self, path: &[u8]) -> bool {
        self.end(path).is_some_and(|end| !self.is_own(&end))
    }
}
