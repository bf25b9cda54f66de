//! Reading sequences.

use std::collections::HashSet;

use serde::Deserialize;
use terrine_support::{file, json};

use super::{Error, Fault, Path, Sequence, Step};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 256 << 20;

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    name: String,
    paths: Vec<PathRecord>,
    steps: Vec<StepRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PathRecord {
    path: String,
    #[serde(default)]
    nar_size: Option<u64>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    references: Vec<u64>,
}

#[derive(Deserialize)]
struct StepRecord {
    #[serde(default)]
    date: Option<String>,
    paths: Vec<u64>,
}

/// Reads a sequence from a file.
///
/// # Errors
///
/// A file that cannot be read or has more than 256 MiB, and a [`Fault`] in what it says.
pub fn read(path: &std::path::Path) -> Result<Sequence, Error> {
    let text = file::read(path, MAX_SIZE)?;
    Sequence::parse(&text).map_err(|fault| Error::fault(path, fault))
}

impl Sequence {
    /// Reads a sequence from text. Fields that are not known are ignored.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn parse(text: &[u8]) -> Result<Self, Fault> {
        // The parser would take an array for the fields in their order.
        if text.trim_ascii_start().first() != Some(&b'{') {
            let why = "it must be a JSON object".to_owned();
            return Err(Fault::Json {
                field: String::new(),
                why,
                hint: None,
            });
        }
        let record: Record = json::read(text).map_err(|fault| Fault::Json {
            field: fault.field,
            why: fault.why,
            hint: fault.hint,
        })?;
        record.check()
    }
}

impl Record {
    fn check(self) -> Result<Sequence, Fault> {
        let Some(first) = self.paths.first() else {
            return Err(Fault::NoSteps);
        };
        if self.steps.is_empty() {
            return Err(Fault::NoSteps);
        }
        let store_dir = split(&first.path)?.to_owned();
        one_line(&self.name, || "name".to_owned())?;
        let count = self.paths.len();
        let mut seen = HashSet::new();
        for (index, path) in self.paths.iter().enumerate() {
            below(&path.path, &store_dir)?;
            if !seen.insert((path.path.as_str(), path.content.as_str())) {
                return Err(Fault::Twice {
                    index,
                    path: path.path.clone(),
                });
            }
        }
        let paths = self
            .paths
            .into_iter()
            .enumerate()
            .map(|(index, path)| path.check(index, count))
            .collect::<Result<Vec<_>, _>>()?;
        let steps = self
            .steps
            .into_iter()
            .enumerate()
            .map(|(index, step)| step.check(index, &paths))
            .collect::<Result<_, _>>()?;
        Ok(Sequence {
            name: self.name,
            store_dir,
            steps,
            paths,
        })
    }
}

impl PathRecord {
    fn check(self, index: usize, count: usize) -> Result<Path, Fault> {
        let size = self.nar_size.unwrap_or(0);
        if i64::try_from(size).is_err() {
            return Err(Fault::Size { index, size });
        }
        let mut references = indices(&self.references, count, |i| {
            format!("paths[{index}].references[{i}]")
        })?;
        references.sort_unstable();
        references.dedup();
        one_line(&self.content, || format!("paths[{index}].content"))?;
        Ok(Path {
            path: self.path,
            size,
            content: self.content,
            references,
        })
    }
}

impl StepRecord {
    fn check(self, index: usize, known: &[Path]) -> Result<Step, Fault> {
        let number = index + 1;
        let label = self.date.unwrap_or_else(|| number.to_string());
        one_line(&label, || format!("steps[{index}].date"))?;
        let mut paths = indices(&self.paths, known.len(), |i| {
            format!("steps[{index}].paths[{i}]")
        })?;
        paths.sort_unstable();
        let mut seen = HashSet::new();
        if let Some(&twice) = paths
            .iter()
            .find(|&&index| !seen.insert(&known[index].path))
        {
            return Err(Fault::TwiceInStep {
                number,
                label,
                path: known[twice].path.clone(),
            });
        }
        if paths.is_empty() {
            return Err(Fault::EmptyStep { number, label });
        }
        Ok(Step { label, paths })
    }
}

/// Indices that all stand for something; `field` names the place of one.
fn indices(
    list: &[u64],
    paths: usize,
    field: impl Fn(usize) -> String,
) -> Result<Vec<usize>, Fault> {
    list.iter()
        .enumerate()
        .map(|(i, &index)| {
            usize::try_from(index)
                .ok()
                .filter(|&index| index < paths)
                .ok_or_else(|| Fault::OutOfRange {
                    field: field(i),
                    index,
                    paths,
                })
        })
        .collect()
}

/// Checks what people are shown: nothing in it may move a terminal's cursor.
pub(super) fn one_line(text: &str, field: impl Fn() -> String) -> Result<(), Fault> {
    if text.contains(char::is_control) {
        Err(Fault::Control { field: field() })
    } else {
        Ok(())
    }
}

/// The directory of a store path.
pub(super) fn split(path: &str) -> Result<&str, Fault> {
    path.rsplit_once('/')
        .filter(|(dir, name)| {
            let is_name = !matches!(*name, "" | "." | "..");
            is_name
                && dir.starts_with('/')
                && !dir.ends_with('/')
                && !path.contains(char::is_control)
        })
        .map(|(dir, _)| dir)
        .ok_or_else(|| Fault::NotAStorePath(path.to_owned()))
}

/// Checks that a path is one of a store.
pub(super) fn below(path: &str, store_dir: &str) -> Result<(), Fault> {
    if split(path)? == store_dir {
        Ok(())
    } else {
        Err(Fault::Elsewhere {
            path: path.to_owned(),
            store_dir: store_dir.to_owned(),
        })
    }
}
