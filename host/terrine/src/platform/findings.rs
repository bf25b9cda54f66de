//! The findings on the executables of an image, taken together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use terrine_support::remark::Remark;

use super::{Bytes, Interpreter, Machine, Program, Unusable, loader, unusable};

/// One of several files, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The first one, in the order of paths.
    pub path: Vec<u8>,
    /// The number of files.
    pub count: usize,
}

/// The findings on the executables of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    // Keys of JSON objects are strings, and these are not.
    #[serde(with = "pairs")]
    elf: BTreeMap<Machine, Example>,
    mach_o: BTreeMap<String, Example>,
    #[serde(with = "pairs")]
    scripts: BTreeMap<Vec<u8>, Example>,
    #[serde(with = "pairs")]
    loaders: BTreeMap<Vec<u8>, Example>,
}

/// Maps as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Programs that a platform does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    example: Example,
    what: String,
    architecture: String,
}

impl Example {
    /// The path as text.
    pub fn path_text(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.path = std::cmp::min(std::mem::take(&mut self.path), other.path);
    }

    fn others(&self) -> String {
        match self.count {
            1 => String::new(),
            2 => " (and 1 other)".to_owned(),
            count => format!(" (and {} others)", count - 1),
        }
    }
}

impl Findings {
    /// Adds an executable by its path, its first bytes, and all of them.
    pub fn add(&mut self, path: &[u8], head: &[u8], file: &dyn Bytes) {
        let example = Example {
            path: path.to_vec(),
            count: 1,
        };
        match super::inspect(head) {
            Program::Elf(machine) => {
                // A library that can be run as well seldom is.
                if !is_library(path)
                    && let Some(name) = loader(head, file)
                {
                    count(&mut self.loaders, name, example.clone());
                }
                count(&mut self.elf, machine, example);
            }
            Program::MachO(machine) => count(&mut self.mach_o, machine, example),
            Program::Script(interpreter) => count(&mut self.scripts, interpreter, example),
            // Programs of Windows are run by others than the kernel, if at all.
            Program::Pe | Program::Other => {}
        }
    }

    /// Replaces the paths of files by their names in messages.
    pub fn name_files(&mut self, shown: impl Fn(&str) -> String) {
        let rename = |example: &mut Example| example.path = shown(&example.path_text()).into();
        self.elf.values_mut().for_each(rename);
        self.mach_o.values_mut().for_each(rename);
        self.scripts.values_mut().for_each(rename);
        self.loaders.values_mut().for_each(rename);
    }

    /// The findings as text that [`Findings::from_text`] reads.
    pub fn to_text(&self) -> String {
        // Lists, numbers, and maps whose keys are strings do not fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Findings::to_text`] wrote; none if it is something else.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Adds what was found elsewhere.
    pub fn merge(&mut self, other: Self) {
        other
            .elf
            .into_iter()
            .for_each(|(key, example)| count(&mut self.elf, key, example));
        other
            .mach_o
            .into_iter()
            .for_each(|(key, example)| count(&mut self.mach_o, key, example));
        other
            .scripts
            .into_iter()
            .for_each(|(key, example)| count(&mut self.scripts, key, example));
        other
            .loaders
            .into_iter()
            .for_each(|(key, example)| count(&mut self.loaders, key, example));
    }

    /// The architecture in Go's terms that most of the programs run on, and one of those
    /// made for it; of several the one that more programs are made for, then the first
    /// by name. None if there are no programs.
    pub fn architecture(&self) -> Option<(String, &Example)> {
        self.elf
            .iter()
            .filter_map(|(machine, example)| {
                let architecture = machine.architecture()?;
                let runs: usize = self
                    .elf
                    .iter()
                    .filter(|(other, _)| other.runs_on(architecture))
                    .map(|(_, example)| example.count)
                    .sum();
                Some((
                    (runs, example.count, std::cmp::Reverse(architecture)),
                    architecture,
                    example,
                ))
            })
            .max_by_key(|(rank, ..)| *rank)
            .map(|(_, architecture, example)| (architecture.to_owned(), example))
    }

    /// Programs that a kernel for `architecture`, in Go's terms, does not run.
    pub fn foreign(&self, architecture: &str) -> Option<Foreign> {
        let elf = self
            .elf
            .iter()
            .filter(|(machine, _)| !machine.runs_on(architecture))
            .map(|(machine, example)| (format!("linux/{machine}"), example));
        let mach_o = self
            .mach_o
            .iter()
            .map(|(machine, example)| (format!("darwin/{machine} (Mach-O)"), example));
        let mut foreign = elf.chain(mach_o);
        let (what, first) = foreign.next()?;
        let count = first.count + foreign.map(|(_, example)| example.count).sum::<usize>();
        let example = Example {
            path: first.path.clone(),
            count,
        };
        Some(Foreign {
            example,
            what,
            architecture: architecture.to_owned(),
        })
    }

    /// Warns of scripts and programs whose interpreters cannot be started: of what most of them need first.
    pub fn unusable_interpreters(&self, look: impl Fn(&[u8]) -> Option<Unusable>) -> Vec<Remark> {
        let kinds = [(&self.loaders, true), (&self.scripts, false)];
        let all = kinds.into_iter().flat_map(|(map, is_loader)| {
            map.iter()
                .map(move |(path, example)| (path, example, is_loader))
        });
        let mut found: Vec<_> = all
            .filter_map(|(path, example, is_loader)| Some((path, example, is_loader, look(path)?)))
            .collect();
        found.sort_by_key(|(_, example, ..)| std::cmp::Reverse(example.count));
        let remark = |(path, example, is_loader, why): (&Vec<u8>, &Example, bool, Unusable)| {
            let whose = format!("`{}`{}", example.path_text(), example.others());
            let path = path.clone();
            unusable(&Interpreter { path, is_loader }, &whose, why)
        };
        found.into_iter().map(remark).collect()
    }
}

/// Returns true if a path has the name of a shared library: `libc.so`, `libc.so.6`.
fn is_library(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
}

fn count<K: Ord>(map: &mut BTreeMap<K, Example>, key: K, example: Example) {
    match map.entry(key) {
        std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(example)),
        std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(example),
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            example,
            what,
            architecture,
        } = self;
        write!(
            f,
            "`{}`{} is a program for {what}, but the image is for linux/{architecture}: it would fail with exec format error",
            example.path_text(),
            example.others()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::loader::tests::dynamic;
    use super::super::program::tests::elf_head;
    use super::*;

    const AMD64: (u16, bool) = (62, true);
    const I386: (u16, bool) = (3, false);
    const ARM64: (u16, bool) = (183, true);

    fn findings(programs: &[(&str, (u16, bool))]) -> Findings {
        let mut findings = Findings::default();
        for (path, (machine, wide)) in programs {
            let head = elf_head(*machine, *wide, true, 3);
            findings.add(path.as_bytes(), &head, &head);
        }
        findings
    }

    fn architecture(findings: &Findings) -> Option<String> {
        findings
            .architecture()
            .map(|(architecture, example)| format!("{architecture} {}", example.path_text()))
    }

    #[test]
    fn the_widest_machine_is_the_images() {
        assert_eq!(architecture(&findings(&[])), None);
        let mixed = findings(&[("/a", I386), ("/b", I386), ("/d", AMD64), ("/c", AMD64)]);
        assert_eq!(architecture(&mixed), Some("amd64 /c".to_owned()));
        assert_eq!(mixed.foreign("amd64"), None);
        assert_eq!(
            architecture(&findings(&[("/a", I386)])),
            Some("386 /a".to_owned())
        );
    }

    #[test]
    fn what_does_not_run_is_named_with_both_platforms() {
        let mixed = findings(&[
            ("/z", ARM64),
            ("/b", AMD64),
            ("/y", ARM64),
            ("/c", AMD64),
            ("/x", AMD64),
        ]);
        assert_eq!(architecture(&mixed), Some("amd64 /b".to_owned()));
        assert_eq!(
            mixed.foreign("amd64").unwrap().to_string(),
            "`/y` (and 1 other) is a program for linux/arm64, but the image is for linux/amd64: it would fail with exec format error"
        );
        let mut darwin = Findings::default();
        let head = [&[0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1][..], &[0; 32]].concat();
        darwin.add(b"/m", &head, &head);
        assert_eq!(architecture(&darwin), None);
        assert!(
            darwin
                .foreign("arm64")
                .unwrap()
                .to_string()
                .contains("darwin/arm64 (Mach-O)")
        );
    }

    #[test]
    fn interpreters_that_are_missing_are_listed() {
        let mut findings = Findings::default();
        for (path, text) in [
            ("/a", "#!/bin/sh\n"),
            ("/b", "#!/bin/perl\n"),
            ("/c", "#!/bin/perl -w"),
        ] {
            findings.add(path.as_bytes(), text.as_bytes(), &text.as_bytes());
        }
        let missing = |exists: &str| {
            let missing = findings.unusable_interpreters(|path| {
                (path != exists.as_bytes()).then_some(Unusable::Missing)
            });
            missing.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            missing("/bin/perl"),
            ["the interpreter `/bin/sh` of `/a` is not in the image"]
        );
        assert_eq!(
            missing("")[0],
            "the interpreter `/bin/perl` of `/b` (and 1 other) is not in the image"
        );
        assert_eq!(missing("").len(), 2);
    }

    #[test]
    fn loaders_that_are_missing_are_listed_but_not_those_of_libraries() {
        let mut findings = Findings::default();
        let file = dynamic(true, true, 64, 792, b"/lib/ld.so\0");
        for path in ["/bin/a", "/lib/libc.so.6", "/bin/b", "/lib/libx.so"] {
            findings.add(path.as_bytes(), &file, &file);
        }
        let again = Findings::from_text(&findings.to_text()).unwrap();
        let missing = again.unusable_interpreters(|_| Some(Unusable::Missing));
        assert_eq!(missing.len(), 1);
        assert_eq!(
            missing[0].message,
            "the dynamic loader `/lib/ld.so` of `/bin/a` (and 1 other) is not in the image"
        );
        assert_eq!(again.unusable_interpreters(|_| None), []);
    }

    #[test]
    fn merging_does_not_depend_on_the_order() {
        let all = [("/a", I386), ("/d", AMD64), ("/c", AMD64), ("/b", ARM64)];
        for split in 0..=all.len() {
            let (mut one, mut other) = (findings(&all[..split]), findings(&all[split..]));
            other.merge(one.clone());
            one.merge(findings(&all[split..]));
            assert_eq!(one, findings(&all));
            assert_eq!(other, findings(&all));
        }
    }
}
