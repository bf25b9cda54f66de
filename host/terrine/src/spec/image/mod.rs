//! The image specification: what `terrine build` makes an image of.
//!
//! Fields have the names of dockerTools' arguments where it has
//! them.

mod config;
mod contents;
mod error;
mod example;
mod parts;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use terrine_support::file::{self, FileError};

use super::json::{object, objects, optional_object, unique_map, unique_objects};
use super::{Json, Wanted, mistaken};
pub use config::Config;
pub use contents::{Contents, ContentsSpec};
pub use error::SpecError;
pub(crate) use example::of as example;
pub use parts::{
    BaseConfig, BaseLinksSpec, CommandsSpec, FakeNss, FileSpec, NixDatabaseSpec, PermissionSpec,
    Pipeline, PlannerSpec,
};
pub use values::{ModeField, OneOrMany, PathSwitch, Switch, TimeField};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// An image to build. Relative paths start where this file lies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(title = "terrine image specification")]
pub struct ImageSpec {
    /// The image's name, with registry and path where it has them: `ghcr.io/acme/web`.
    /// Needed. It may end in `:tag`.
    pub name: Option<String>,
    /// The tag. If not given, one is generated from everything that the image is made of: a
    /// store path whose name carries a hash is known by it, of everything else every byte counts.
    pub tag: Option<String>,
    /// Further tags. The image gets all of them wherever its destination names no tag.
    pub tags: OneOrMany,
    /// The image to build on: a docker-archive or an OCI archive, plain or compressed, or an OCI
    /// layout, by its path; or any image in the notation of the container tools, as
    /// `docker://debian:12` or `oci:layout:base`. Of one for several platforms the image's own
    /// is taken, and if nothing tells that, this machine's.
    pub from_image: Option<String>,
    /// Directories that are joined at the image's root as symbolic links: store paths, whose closures
    /// become the image's layers, or directories of this machine, each of which becomes a store path. That
    /// is `<storeDir>/contents`, `contents-2` and so on, or `<storeDir>/NAME` for an object with `name` and `path`.
    /// The first wins where two have the same file, which is remarked. Where one has a directory and
    /// another a link to one, nothing of either is lost: what comes later goes through the link, and a link into the
    /// store becomes a directory of links. A link that is named itself is followed; below it nothing leads out of
    /// it.
    pub contents: Contents,
    /// Directories whose content is copied to the image's root, with the extended attributes of files:
    /// capabilities and `user.*`. Links to directories
    /// become directories where these are in it or in the store; links that the root has already are followed.
    /// Of two files at one place the last wins, which is remarked. A link that is named itself is followed;
    /// below it nothing leads out of it.
    pub copy_to_root: OneOrMany,
    /// What is left out of directories of this machine in `contents` and `copyToRoot`: patterns as in
    /// a `.dockerignore` file, relative to each directory. The last that matches a path, or a directory
    /// that it lies in, decides; `!` takes back. `.git`, `.hg` and `.svn` are left out unless a pattern takes them back,
    /// as `!.git` does.
    pub exclude: OneOrMany,
    /// Whether files and directories of this machine keep their permissions in the image. If not, they have
    /// those that version control records: 0755 for directories and for programs, 0644 for other files.
    /// Set-id bits of programs and sticky directories stay. Store paths always keep theirs.
    pub keep_modes: bool,
    /// How containers run: `Cmd`, `Env`, `User` and so on.
    #[serde(deserialize_with = "optional_object")]
    pub config: Option<Config>,
    /// What is taken over from the base image's configuration.
    pub base_config: BaseConfig,
    /// What becomes of files below a link to a directory in the base image, as `/bin` is one to `usr/bin` in
    /// Debian: `follow`, the default, puts them where the link leads; `replace` makes a directory in its place,
    /// which hides what the base has there. To follow links of a base in a registry, it is downloaded once.
    pub base_links: BaseLinksSpec,
    /// Labels to add to those of `config`.
    #[serde(deserialize_with = "unique_map")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the image's manifest, where it has one: not in a docker-archive. An empty
    /// value takes away one that terrine would write by itself.
    #[serde(deserialize_with = "unique_map")]
    pub annotations: BTreeMap<String, String>,
    /// The architecture in Go's terms, such as `arm64`. If not given: that of `system`, else
    /// the one that the image's programs are made for, else this machine's.
    pub architecture: Option<String>,
    /// The architecture's variant, such as `v7`.
    pub variant: Option<String>,
    /// The system in Nix's terms, such as `aarch64-linux`.
    pub system: Option<String>,
    /// When the image says that it was created: RFC 3339, `@` and seconds since 1970, or
    /// `now`. If not given, 1970-01-01T00:00:01Z; `SOURCE_DATE_EPOCH` is not looked at.
    pub created: Option<TimeField>,
    /// The time of every file in layers of store paths, in the same forms. If not given,
    /// 1970-01-01T00:00:01Z; `SOURCE_DATE_EPOCH` is not looked at.
    pub mtime: Option<TimeField>,
    /// Owner of every file in layers of store paths; 0 if not given.
    pub uid: u32,
    /// Group of every file in layers of store paths; 0 if not given.
    pub gid: u32,
    /// Name of that owner; `root` if not given.
    pub uname: Option<String>,
    /// Name of that group; `root` if not given.
    pub gname: Option<String>,
    /// Owners and permissions by path, in every layer but the base image's. The first
    /// pattern that matches a path applies.
    #[serde(deserialize_with = "objects")]
    pub permissions: Vec<PermissionSpec>,
    /// How many layers the image may have, the base image's and the one at the root
    /// included. 100 if not given, no limit with a `layeringPipeline`.
    pub max_layers: Option<u32>,
    /// Whether store paths are in the image; true if not given. Without them it works only
    /// where the store is mounted.
    pub include_store_paths: Option<bool>,
    /// A pipeline in dockerTools' language that groups store paths into layers.
    pub layering_pipeline: Option<Pipeline>,
    /// The policy that groups store paths into layers: its name, or an object with `policy` and
    /// `options`; and with `component` the file of a planner that is not the built-in one, its
    /// `digest` to pin it, and `sealedWasi` if it cannot do without WASI. `least-pull` if not
    /// given, and the first policy of a component that is not the built-in one.
    pub planner: Option<PlannerSpec>,
    /// Earlier closures of the image: a file that `terrine replay record` wrote. A policy that
    /// looks at the past learns from them how often packages change. The newest of them may be
    /// the image's own.
    pub history: Option<String>,
    /// Images that clients hold, the newest first, so that a policy that looks at the past keeps
    /// layers where that is cheaper than a better grouping: images by path or in the notation of
    /// the container tools, as `docker://host/web:1.1`, or what `terrine plan` or `terrine build
    /// --summary` wrote of them. An image has to name the store paths in its layers, as those of
    /// terrine and dockerTools do.
    pub previous: OneOrMany,
    /// What store paths refer to: the JSON of `exportReferencesGraph` or of `nix path-info
    /// --json --recursive`, or a folder made by `closureInfo`. If not given, the database of
    /// the store on this machine tells. Without store paths in `contents` and `copyToRoot`
    /// everything in it belongs to the image; with them, what they reach. See `wholeClosure`.
    pub closure: OneOrMany,
    /// Whether everything in `closure` belongs to the image. If not given, it does where no store
    /// path is in `contents` and `copyToRoot`; if false, it never does, and nothing is said of what
    /// is left out.
    pub whole_closure: Option<bool>,
    /// Store paths that may be mentioned although nothing is there, such as the output of a build
    /// that is yet to be done in the image.
    pub absent_paths: Vec<String>,
    /// The directory of store paths; `/nix/store` if not given.
    pub store_dir: Option<String>,
    /// Adds `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf` with `root` and `nobody`.
    pub fake_nss: Switch<FakeNss>,
    /// Adds `/bin/sh`: a link to this program, or to the shell of this package; true for
    /// the one shell among the store paths.
    pub bin_sh: PathSwitch,
    /// Adds `/usr/bin/env`: a link to this program, or to that of this package; true for the
    /// one among the store paths.
    pub usr_bin_env: PathSwitch,
    /// Adds certificates where programs look for them: those of this bundle in PEM form, or
    /// of this package; true for Mozilla's, which terrine brings.
    pub ca_certificates: PathSwitch,
    /// Adds `/tmp`, where everyone may write.
    pub tmp: bool,
    /// Adds what the shadow tools need to make users: `/etc/passwd`, `/etc/shadow`,
    /// `/etc/group`, `/etc/gshadow`, `/etc/pam.d/other` and `/etc/login.defs`.
    pub shadow_setup: bool,
    /// Adds a Nix database, so that Nix works in the image: `nix-store --query`, `nix
    /// copy`, builds and `nix-collect-garbage`, which keeps every store path that the image names.
    /// All store paths of the image are registered, together with those that a database in the base
    /// image registers; signatures are kept where the source has them. NAR hashes come from
    /// `closure` or from the store's database, which are believed; those that are missing are
    /// computed. Not with `includeStorePaths: false`. A base image in a registry is downloaded.
    #[serde(rename = "includeNixDB")]
    pub include_nix_db: bool,
    /// Owner of the database, of the store's directory and of `var/nix` and `var/log/nix` beside
    /// it: the user that runs Nix in the image without a daemon. To delete store paths of the
    /// image as well, that user needs to own them: `uid`, `gid`. Only with `includeNixDB`.
    #[serde(deserialize_with = "optional_object")]
    pub nix_database: Option<NixDatabaseSpec>,
    /// Files, links and directories by their absolute paths in the image.
    #[serde(deserialize_with = "unique_objects")]
    pub files: BTreeMap<String, FileSpec>,
    /// Commands for a shell, run at the root as a user without rights: the tree at the root is
    /// their working directory, and everything in it belongs to root afterwards.
    pub extra_commands: Option<String>,
    /// Commands for a shell, run after `extraCommands` as root, whose changes of owners are kept.
    /// No real root is needed.
    pub fake_root_commands: Option<String>,
    /// Whether `fakeRootCommands` see the tree as `/` and not as their working directory.
    pub enable_fakechroot: bool,
    /// Commands for a shell, run as root before `extraCommands`, which see the base image and the
    /// tree at the root together as `/`. What they change is in the image.
    pub run_as_root: Option<String>,
    /// What commands are run with.
    #[serde(deserialize_with = "object")]
    pub commands: CommandsSpec,
    /// Means nothing here, where there is no virtual machine.
    pub disk_size: Option<u64>,
    /// Means nothing here, where there is no virtual machine.
    #[serde(rename = "buildVMMemorySize")]
    pub build_vm_memory_size: Option<u64>,
    /// What `config` says, with all it says.
    #[serde(skip)]
    pub config_json: Option<BTreeMap<String, Json>>,
    /// Whether `baseConfig` was given.
    #[serde(skip)]
    pub base_config_given: bool,
    /// Where relative paths start.
    #[serde(skip)]
    pub directory: PathBuf,
}

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

    /// The same of a path that is one already.
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

/// The JSON Schema of image specifications, as JSON text.
pub fn schema() -> String {
    let schema = schemars::schema_for!(ImageSpec);
    // Written by the same rules whatever order the JSON library keeps its keys in.
    let text = schema.to_value().to_string();
    serde_json::from_str::<Json>(&text).map_or(text, |json| json.pretty())
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
                "`image.json` is not a usable image specification: unknown field `contnts` at line 1 column 10; hint: did you mean `contents`?",
            ),
            (
                r#"{"config": {"cmd": ["x"]}}"#,
                "`image.json` is not a usable image specification: `config`: unknown field `cmd` at line 1 column 17; hint: did you mean `Cmd`?",
            ),
            (
                r#"{"files": {"/a": {"owner": 1}}}"#,
                "`image.json` is not a usable image specification: `files./a`: unknown field `owner` at line 1 column 25; hint: the fields are `directory`, `gid`, `link`, `mode`, `source`, `text`, `uid`",
            ),
            (
                r#"{"keepContentsDirlinks": true}"#,
                "`image.json` is not a usable image specification: `keepContentsDirlinks` is not supported: links to directories always become directories; hint: leave it out",
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
                "`contents[0]`: it must be a path, or an object with `name` and `path`, and is the number `1`",
            ),
            (
                r#"{"contents": 1}"#,
                "`contents`: it must be a path, an object with `name` and `path`, or a list of them, and is the number `1`",
            ),
            (
                r#"{"config": {"Cmd": "x"}}"#,
                "`config.Cmd`: it must be a list, and is the string `\"x\"`",
            ),
            (
                r#"{"fakeNss": "x"}"#,
                "`fakeNss`: it must be true, false or an object, and is the string `\"x\"`",
            ),
            (
                r#"{"binSh": {}}"#,
                "`binSh`: it must be true, false or a path, and is an object",
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
                "`uid`: it must be a whole number of 0 or more, and is the number `-1`",
            ),
            (
                r#"{"labels": {"a": "1", "a": "2"}}"#,
                "`labels`: `a` is there twice",
            ),
            (
                r#"{"name": "a", "name": "b"}"#,
                "the field `name` is there twice",
            ),
            (r#"{"config": {"X": 1}}"#, "`config`: unknown field `X`"),
            ("[]", "it must be a JSON object"),
            ("", "the text is empty or ends where a value must be"),
            (r#"{"name": "a"} x"#, "there is more text after the JSON"),
        ];
        for (text, expected) in table {
            let error = parse(text).unwrap_err();
            let start = format!("`image.json` is not a usable image specification: {expected}");
            assert!(error.starts_with(&start), "{text}\n{error}\n{start}");
        }
    }

    #[test]
    fn the_schema_names_and_explains_every_field() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        for name in ["name", "fromImage", "layeringPipeline", "fakeNss", "files"] {
            assert!(properties[name]["description"].is_string(), "{name}");
        }
        assert!(!properties.contains_key("configJson") && !properties.contains_key("directory"));
        assert_eq!(schema["additionalProperties"], false);
    }
}
