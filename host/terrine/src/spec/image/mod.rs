//! The image specification, which `terrine build` makes an image of: reading it, its JSON Schema
//! and the messages about its faults.

mod config;
mod contents;
mod error;
mod example;
mod fields;
mod parts;
mod planner;
mod schema;
mod values;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use terrine_support::file::{self, FileError};

use super::{Json, Wanted, mistaken};
pub use config::Config;
pub use contents::{Contents, ContentsSpec};
pub use error::SpecError;
pub(crate) use example::of as example;
pub use fields::ImageSpec;
pub use parts::{
    BaseConfig, BaseLinksSpec, CacheSpec, CommandsSpec, FakeNss, FileSpec, NixDatabaseSpec,
    PermissionSpec,
};
pub use planner::{Pipeline, PlannerSpec};
pub use schema::schema;
pub use values::{ModeField, OneOrMany, PathSwitch, Switch, TimeField};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// The parts that matter as they were written.
#[derive(Deserialize)]
struct ConfigOnly {
    #[serde(default)]
    config: Option<Json>,
    #[serde(default, rename = "baseConfig")]
    base_config: Option<Json>,
}

impl ImageSpec {
    /// Reads a specification. Its relative paths start at the directory that it lies in.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is too large, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let file = File::open(path).map_err(FileError::io(path))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::read_from(file, path, directory)
    }

    /// Reads a specification from anything that has text. Errors call it `name`.
    ///
    /// # Errors
    ///
    /// As [`ImageSpec::read`].
    pub fn read_from(reader: impl Read, name: &Path, directory: &Path) -> Result<Self, SpecError> {
        let text = file::read_from(reader, name, MAX_SIZE)?;
        let mut spec = Self::parse(&text).map_err(|invalid| {
            let mistaken = mistaken(&text, name, Wanted::Specification);
            mistaken.map_or(invalid, error::Invalid::from).of(name)
        })?;
        spec.directory = directory.to_owned();
        Ok(spec)
    }

    /// Returns where a path of the specification is on this machine.
    pub fn place(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// Returns a path of the specification as the user wrote it.
    pub fn given<'a>(&'a self, path: &'a str) -> &'a str {
        self.given.get(path).map_or(path, String::as_str)
    }

    /// Returns what a message says behind a relative path: where it starts.
    pub fn start(&self, path: &Path) -> String {
        if path.is_absolute() {
            return String::new();
        }
        let (what, directory) = if self.directory.as_os_str().is_empty() {
            let here = std::env::current_dir().unwrap_or_default();
            ("working directory", here)
        } else {
            ("folder of the specification", self.directory.clone())
        };
        format!(" (relative to the {what}, `{}`)", directory.display())
    }

    /// Returns true if there are commands to run at the root.
    pub fn has_commands(&self) -> bool {
        [
            &self.run_as_root,
            &self.extra_commands,
            &self.fake_root_commands,
        ]
        .into_iter()
        .flatten()
        .any(|script| !script.is_empty())
    }

    /// Returns where a path of the specification is on this machine, as [`ImageSpec::place`].
    pub fn directory_join(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn parse(text: &[u8]) -> Result<Self, error::Invalid> {
        // The parser would take an array for the fields in their order.
        if text.trim_ascii_start().first() != Some(&b'{') {
            // What is no JSON at all is told first.
            let _: IgnoredAny = error::deserialize(text)?;
            return Err(error::Invalid::whole("it must be a JSON object"));
        }
        let mut spec: Self = error::deserialize(text)?;
        let config: ConfigOnly = error::deserialize(text)?;
        spec.base_config_given = config.base_config.is_some();
        spec.config_json = match config.config {
            Some(Json::Object(entries)) => Some(entries),
            _ => None,
        };
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use terrine_support::hint::Hint;

    use super::*;
    use crate::spec::When;

    fn parse(text: &str) -> Result<ImageSpec, String> {
        ImageSpec::parse(text.as_bytes()).map_err(|invalid| {
            let error = invalid.of(Path::new("image.json"));
            match error.hint() {
                Some(hint) => format!("{error}; hint: {hint}"),
                None => error.to_string(),
            }
        })
    }

    #[test]
    fn every_shape_of_a_field_is_read() {
        let spec = parse(
            r#"{
            "name": "x", "contents": "/nix/store/a", "copyToRoot": ["b", "c"],
            "config": {"Env": ["A=1"], "Cmd": ["/bin/x"], "Labels": {"n": "1"}, "ExposedPorts": {"80/tcp": {}}},
            "created": "now", "mtime": "@7", "fakeNss": true, "binSh": "/nix/store/sh",
            "caCertificates": true, "usrBinEnv": false, "planner": "popularity",
            "layeringPipeline": [["popularity_contest"]], "permissions": [{"path": "/x", "mode": "0755"}],
            "files": {"/etc/motd": {"text": "hi", "mode": "600"}}, "baseConfig": "all",
            "includeNixDB": true, "nixDatabase": {"uid": 1000}
        }"#,
        )
        .unwrap();
        assert_eq!(
            spec.contents.0,
            [ContentsSpec::from("/nix/store/a".to_owned())]
        );
        assert_eq!(spec.copy_to_root.0, ["b", "c"]);
        assert_eq!(spec.created.map(|time| time.0), Some(When::Now));
        assert_eq!(spec.fake_nss, Switch::On);
        assert_eq!(spec.bin_sh, PathSwitch::Path("/nix/store/sh".to_owned()));
        assert_eq!(
            (spec.ca_certificates, spec.usr_bin_env),
            (PathSwitch::On, PathSwitch::Off)
        );
        assert_eq!(spec.planner.unwrap().policy, "popularity");
        assert_eq!(spec.permissions[0].mode, Some(ModeField(0o755)));
        assert_eq!(spec.base_config, BaseConfig::All);
        assert!(spec.include_nix_db);
        let owner = NixDatabaseSpec { uid: 1000, gid: 0 };
        assert_eq!(spec.nix_database, Some(owner));
        let config = Json::Object(spec.config_json.unwrap()).to_string();
        assert_eq!(
            config,
            r#"{"Cmd":["/bin/x"],"Env":["A=1"],"ExposedPorts":{"80/tcp":{}},"Labels":{"n":"1"}}"#
        );
    }

    #[test]
    fn an_unknown_field_is_named_with_its_place_and_the_nearest() {
        let table = [
            (
                r#"{"contnts": "x"}"#,
                "`image.json` is not a valid image specification: unknown field `contnts` at line 1 column 10; hint: did you mean `contents`?",
            ),
            (
                r#"{"config": {"cmd": ["x"]}}"#,
                "`image.json` is not a valid image specification: `config`: unknown field `cmd` at line 1 column 17; hint: did you mean `Cmd`?",
            ),
            (
                r#"{"files": {"/a": {"owner": 1}}}"#,
                "`image.json` is not a valid image specification: `files./a`: unknown field `owner` at line 1 column 25; hint: the fields are `directory`, `gid`, `link`, `mode`, `source`, `text`, `uid`",
            ),
            (
                r#"{"keepContentsDirlinks": true}"#,
                "`image.json` is not a valid image specification: `keepContentsDirlinks` is not supported: links to directories always become directories; hint: leave it out",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_mistyped_field_is_named_with_its_place() {
        let table = [
            (
                r#"{"contents": [1]}"#,
                "`contents[0]`: it must be a path, or an object with `name` and `path`, but is the number `1`",
            ),
            (
                r#"{"contents": 1}"#,
                "`contents`: it must be a path, an object with `name` and `path`, or a list of them, but is the number `1`",
            ),
            (
                r#"{"config": {"Cmd": "x"}}"#,
                "`config.Cmd`: it must be a list, but is the string `\"x\"`",
            ),
            (
                r#"{"fakeNss": "x"}"#,
                "`fakeNss`: it must be true, false or an object, but is the string `\"x\"`",
            ),
            (
                r#"{"binSh": {}}"#,
                "`binSh`: it must be true, false or a path, but is an object",
            ),
            (r#"{"created": "soon"}"#, "`created`: `soon` is not a time"),
            (
                r#"{"permissions": [{"mode": 755}]}"#,
                "`permissions[0].mode`: it must be octal",
            ),
            (
                r#"{"permissions": [{"mode": "789"}]}"#,
                "`permissions[0].mode`: it must be octal",
            ),
            (
                r#"{"uid": -1}"#,
                "`uid`: it must be a whole number of 0 or more, but is the number `-1`",
            ),
            (
                r#"{"labels": {"a": "1", "a": "2"}}"#,
                "`labels`: `a` appears twice",
            ),
            (
                r#"{"name": "a", "name": "b"}"#,
                "the field `name` is given twice",
            ),
            (r#"{"config": {"X": 1}}"#, "`config`: unknown field `X`"),
            ("[]", "it must be a JSON object"),
            ("", "the text is empty or ends where a value must be"),
            (r#"{"name": "a"} x"#, "there is more text after the JSON"),
        ];
        for (text, expected) in table {
            let error = parse(text).unwrap_err();
            let start = format!("`image.json` is not a valid image specification: {expected}");
            assert!(error.starts_with(&start), "{text}\n{error}\n{start}");
        }
    }
}
