//! Writing sequences.

use serde::Serialize;

use super::Sequence;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PathRecord<'a> {
    path: &'a str,
    nar_size: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    content: &'a str,
    references: &'a [usize],
}

#[derive(Serialize)]
struct StepRecord<'a> {
    date: &'a str,
    paths: &'a [usize],
}

impl Sequence {
    /// The sequence as JSON text: a line for each path and each step, and a newline at the
    /// end. The same sequence has the same text.
    pub fn to_json(&self) -> String {
        let paths = self.paths.iter().map(|path| {
            text(&PathRecord {
                path: &path.path,
                nar_size: path.size,
                content: &path.content,
                references: &path.references,
            })
        });
        let steps = self.steps.iter().map(|step| {
            text(&StepRecord {
                date: &step.label,
                paths: &step.paths,
            })
        });
        let lines = |records: Vec<String>| records.join(",\n");
        let (paths, steps) = (lines(paths.collect()), lines(steps.collect()));
        format!(
            "{{\"name\":{},\"paths\":[\n{paths}\n],\"steps\":[\n{steps}\n]}}\n",
            text(&self.name)
        )
    }
}

/// Strings and numbers do not fail to serialize.
fn text(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
