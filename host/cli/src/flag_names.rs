//! Names of fields in messages: those of flags where flags gave them.
//!
//! The library names fields of specifications, in backticks. Whoever gave a value by a flag never saw the name of its
//! field. So the merge of file and flags notes which flag gave what, and messages are shown in these terms.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use terrine::oci::{without_login, without_login_of};
use terrine::remark::Remark;

/// Flags by the fields that they give.
const FLAGS: &[(&str, &str)] = &[
    ("name", "--name"),
    ("tag", "--tag"),
    ("tags", "--tag"),
    ("fromImage", "--from-image"),
    ("contents", "--contents"),
    ("copyToRoot", "--copy-to-root"),
    ("exclude", "--exclude"),
    ("keepModes", "--keep-modes"),
    ("files", "--file"),
    ("baseConfig", "--base-config"),
    ("baseLinks", "--base-links"),
    ("labels", "--label"),
    ("annotations", "--annotation"),
    ("architecture", "--architecture"),
    ("system", "--system"),
    ("created", "--created"),
    ("mtime", "--mtime"),
    ("maxLayers", "--max-layers"),
    ("layeringPipeline", "--pipeline"),
    ("planner", "--policy"),
    ("planner.policy", "--policy"),
    ("planner.options", "--option"),
    ("history", "--history"),
    ("previous", "--previous"),
    ("closure", "--closure"),
    ("caches", "--cache"),
    ("storeDir", "--store-dir"),
    ("fakeNss", "--fake-nss"),
    ("caCertificates", "--ca-certificates"),
    ("tmp", "--tmp"),
    ("config.Cmd", "--cmd"),
    ("config.Entrypoint", "--entrypoint"),
    ("config.Env", "--env"),
    ("config.User", "--user"),
    ("config.WorkingDir", "--workdir"),
    ("config.ExposedPorts", "--expose"),
    ("config.Volumes", "--volume"),
    ("config.Labels", "--label"),
];

/// Fields that no flag gives and that remedies name.
const FIELDS: &[&str] = &[
    "binSh",
    "usrBinEnv",
    "permissions",
    "commands.path",
    "includeNixDB",
    "config.Healthcheck",
];

/// Flags that gave fields of a specification.
#[derive(Debug, Clone, Default)]
pub(super) struct FlagNames {
    given: BTreeMap<String, Given>,
    /// Lists that the file has entries of as well.
    shared: BTreeSet<&'static str>,
    /// True if there is no file. The remedies then name flags as well.
    alone: bool,
}

/// A flag that gave a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    flag: &'static str,
    value: Option<String>,
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The description of the failure, which may quote any value.
    Message,
    /// The remedy, which quotes names.
    Hint,
}

impl FlagNames {
    /// Notes flags beside a file, or without one.
    pub(super) fn new(alone: bool) -> Self {
        Self {
            alone,
            ..Self::default()
        }
    }

    /// Notes that a flag gave a field.
    pub(super) fn note(
        &mut self,
        field: impl Into<String>,
        flag: &'static str,
        value: Option<String>,
    ) {
        self.given.insert(field.into(), Given { flag, value });
    }

    /// Notes that a flag gave a field, if it did.
    pub(super) fn note_given(
        &mut self,
        field: &'static str,
        flag: &'static str,
        value: &Option<impl ToString>,
    ) {
        if let Some(value) = value {
            self.note(field, flag, Some(value.to_string()));
        }
    }

    /// Notes that flags gave more entries of a list, behind those that the file has.
    pub(super) fn note_list(
        &mut self,
        field: &'static str,
        flag: &'static str,
        before: usize,
        values: impl IntoIterator<Item = String>,
    ) {
        if before > 0 {
            self.shared.insert(field);
        }
        for (number, value) in values.into_iter().enumerate() {
            let entry = format!("{field}[{}]", before + number);
            self.note(entry, flag, Some(value));
        }
    }

    /// Returns a message in these terms.
    pub(super) fn message(&self, text: &str) -> String {
        self.replace(text, Part::Message)
    }

    /// Returns a remedy in these terms.
    pub(super) fn hint(&self, text: &str) -> String {
        self.replace(text, Part::Hint)
    }

    /// Puts remarks into these terms.
    pub(super) fn remarks(&self, remarks: &mut [Remark]) {
        for remark in remarks {
            remark.message = self.message(&remark.message);
            remark.hint = remark.hint.as_deref().map(|hint| self.hint(hint));
        }
    }

    /// Leaves out the users and passwords in the values of flags.
    fn without_logins(&self, text: &str) -> String {
        let values = self
            .given
            .values()
            .filter_map(|given| given.value.as_deref());
        values.fold(text.to_owned(), |text, value| {
            without_login_of(value, &text)
        })
    }

    /// Puts flags in the place of fields, which stand in backticks.
    fn replace(&self, text: &str, part: Part) -> String {
        let text = &self.without_logins(text);
        let parts: Vec<&str> = text.split('`').collect();
        // A value has a backtick itself: it cannot be told what is a name.
        if parts.len().is_multiple_of(2) {
            return text.to_owned();
        }
        let blames = |number: usize| {
            let before = parts[number - 1];
            let verdict = [": ", " cannot ", " cannot "];
            (before.is_empty() && number == 1 || before.ends_with(": "))
                && verdict
                    .iter()
                    .any(|start| parts[number + 1].starts_with(start))
        };
        let shown: Vec<String> = parts
            .iter()
            .enumerate()
            .map(|(number, part_of)| match number % 2 {
                0 => (*part_of).to_owned(),
                _ if self.is_inherited(part_of) && part == Part::Message => {
                    inherited(part_of, text)
                }
                _ if self.is_inherited(part_of) && parts[number - 1].ends_with("correct ") => {
                    let flag = self.bare(part_of, part);
                    format!("`{part_of}` of the base image by {flag}")
                }
                _ if blames(number) => self.whole(part_of),
                _ => self.bare(part_of, part),
            })
            .collect();
        match part {
            Part::Message => shown.concat(),
            Part::Hint => once(&shown).concat(),
        }
    }

    /// Returns true if a word is a field of the configuration that neither a flag nor a file gave, so that the base image did.
    fn is_inherited(&self, word: &str) -> bool {
        let name = full(word);
        let is_configured =
            name.starts_with("config.") && FLAGS.iter().any(|(field, _)| *field == name);
        let mut values = self.given.values();
        let is_value = values.any(|given| given.value.as_deref() == Some(word));
        self.alone && is_configured && !is_value && self.flag_of(&name).is_none()
    }

    /// The field that is to blame, as the flag with its value, in backticks.
    fn whole(&self, field: &str) -> String {
        let Some((found, given)) = self.find(field) else {
            return self.bare(field, Part::Message);
        };
        let value = given.value.iter();
        let value = value.map(|value| format!(" {}", without_login(value)));
        let flag: String = [given.flag.to_owned()].into_iter().chain(value).collect();
        // A place within what the flag names.
        let rest = &full(field)[found.len()..];
        if rest.starts_with('[') {
            format!("`{flag}`, `{rest}`")
        } else {
            format!("`{flag}`")
        }
    }

    /// The name of a field anywhere else, as the flag alone, in backticks.
    fn bare(&self, word: &str, part: Part) -> String {
        let same = format!("`{word}`");
        let mut values = self.given.values();
        if values.any(|given| given.value.as_deref() == Some(word)) {
            return same;
        }
        let name = full(word);
        if let Some(flag) = self.flag_of(&name) {
            return format!("`{flag}`");
        }
        // A plain word may be a value, but for remedies.
        let is_name = part == Part::Hint || word.contains(|c: char| c.is_ascii_uppercase());
        if !self.alone || !is_name {
            return same;
        }
        match FLAGS.iter().find(|(field, _)| *field == name) {
            Some((_, flag)) => format!("`{flag}`"),
            None if part == Part::Hint && FIELDS.contains(&&*name) => {
                format!("{same} of a specification")
            }
            None => same,
        }
    }

    /// The flag that gave a field or all that is in it.
    fn flag_of(&self, name: &str) -> Option<&'static str> {
        if let Some((_, given)) = self.find(name) {
            return Some(given.flag);
        }
        let within = |field: &&String| {
            field
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['[', '.']))
        };
        let field = self.given.keys().find(within)?;
        (!self.shared.contains(name)).then(|| self.given[field].flag)
    }

    /// The flag that gave a field or what it is in.
    fn find(&self, field: &str) -> Option<(&str, &Given)> {
        let name = full(field);
        self.given
            .iter()
            .rev()
            .find(|(given, _)| {
                name.strip_prefix(given.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
            })
            .map(|(name, given)| (name.as_str(), given))
    }
}

/// Leaves out a name that is an alternative to itself: remedies name a field or its flag, and the field has become the
/// flag.
fn once(parts: &[String]) -> Vec<&str> {
    let is_again = |number: usize| {
        number >= 2 && parts[number - 1] == " or " && parts[number] == parts[number - 2]
    };
    let mut kept: Vec<&str> = vec![];
    for (number, part) in parts.iter().enumerate() {
        if is_again(number) {
            kept.pop();
        } else {
            kept.push(part);
        }
    }
    kept
}

/// The name of a field of the base image, where a message does not say already whose it is.
fn inherited(word: &str, message: &str) -> String {
    if message.contains("of the base image") {
        format!("`{word}`")
    } else {
        format!("`{word}` of the base image")
    }
}

/// A field by its full name: those of `config` are named without it as well.
fn full(field: &str) -> Cow<'_, str> {
    if field.starts_with(|c: char| c.is_ascii_uppercase()) {
        format!("config.{field}").into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> FlagNames {
        let mut names = FlagNames::new(true);
        names.note("name", "--name", Some("name".to_owned()));
        names.note_list("contents", "--contents", 0, ["site".to_owned()]);
        names.note("created", "--created", Some("soon".to_owned()));
        names.note("layeringPipeline", "--pipeline", Some("p.json".to_owned()));
        names.note("config.Cmd", "-- COMMAND", None);
        names.note("files./etc/x", "--file", Some("x:/etc/x".to_owned()));
        names.note("planner.options.a", "--option", Some("a=1".to_owned()));
        names
    }

    #[test]
    fn a_message_names_the_flag_that_gave_the_field() {
        for (text, expected) in [
            ("`created`: no time", "`--created soon`: no time"),
            (
                "`contents[0].name`: no `name`",
                "`--contents site`: no `name`",
            ),
            ("`contents`: two", "`--contents`: two"),
            ("`contents[1]`: two", "`contents[1]`: two"),
            (
                "`layeringPipeline[0][1]`: no",
                "`--pipeline p.json`, `[0][1]`: no",
            ),
            ("`files./etc/x.source`: no", "`--file x:/etc/x`: no"),
            (
                "`planner.options.a`: it is no number",
                "`--option a=1`: it is no number",
            ),
            (
                "planner `x` refuses: `planner.options.a`: no",
                "planner `x` refuses: `--option a=1`: no",
            ),
            ("`config.Cmd`: no", "`-- COMMAND`: no"),
            ("cannot build `name`", "cannot build `name`"),
            ("`site` is `created`", "`site` is `--created`"),
            ("`tag` and `fakeNss`", "`tag` and `--fake-nss`"),
            ("`created`: a ` in it", "`created`: a ` in it"),
        ] {
            assert_eq!(names().message(text), expected);
        }
    }

    #[test]
    fn a_remedy_names_flags_where_there_is_no_file() {
        let text = "add it by `contents` or `copyToRoot`, correct `Cmd` or set `PATH` in `Env`";
        assert_eq!(
            names().hint(text),
            "add it by `--contents` or `--copy-to-root`, correct `-- COMMAND` or set `PATH` in `--env`"
        );
        let beside = FlagNames::new(false);
        assert_eq!(beside.hint(text), text);
        assert_eq!(
            names().hint("name it by `storeDir` or `--store-dir`, or not"),
            "name it by `--store-dir`, or not"
        );
        assert_eq!(
            names().hint("add a shell with `binSh`"),
            "add a shell with `binSh` of a specification"
        );
    }

    #[test]
    fn what_a_base_image_gives_is_no_flag() {
        let names = names();
        for (text, expected) in [
            (
                "`User` asks for `www`",
                "`User` of the base image asks for `www`",
            ),
            (
                "`x` in `ExposedPorts`",
                "`x` in `ExposedPorts` of the base image",
            ),
            (
                "`User`, `WorkingDir` of the base image are",
                "`User`, `WorkingDir` of the base image are",
            ),
            ("`site` in `Cmd`", "`site` in `-- COMMAND`"),
        ] {
            assert_eq!(names.message(text), expected);
        }
        assert_eq!(
            names.hint("add it, or correct `Entrypoint`"),
            "add it, or correct `Entrypoint` of the base image by `--entrypoint`"
        );
    }

    #[test]
    fn a_list_of_both_keeps_its_name() {
        let mut names = FlagNames::new(false);
        names.note_list("contents", "--contents", 1, ["b".to_owned()]);
        assert_eq!(names.message("`contents`: no"), "`contents`: no");
        assert_eq!(names.message("`contents[0]`: no"), "`contents[0]`: no");
        assert_eq!(names.message("`contents[1]`: no"), "`--contents b`: no");
    }
}
