//! The fields of an image specification. Their comments, defaults and examples are the text of the
//! JSON Schema and of `docs/specification.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::config::Config;
use super::contents::Contents;
use super::parts::{
    BaseConfig, BaseLinksSpec, CacheSpec, CommandsSpec, FakeNss, FileSpec, NixDatabaseSpec,
    PermissionSpec,
};
use super::planner::{Pipeline, PlannerSpec};
use super::values::{OneOrMany, PathSwitch, Switch, TimeField};
use crate::spec::Json;
use crate::spec::json::{object, objects, optional_object, unique_map, unique_objects};

/// Description of an image to build. Fields that are also arguments of dockerTools have the same
/// names. Relative paths are relative to the directory of the specification, or to the working
/// directory if the specification is read from standard input. Unknown fields and repeated fields
/// are errors.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(
    title = "terrine image specification",
    extend(
        "$id" = "urn:terrine:image-specification",
        "examples" = [
            {
                "name": "ghcr.io/acme/web",
                "tags": ["1.2", "latest"],
                "fromImage": "docker://debian:12",
                "copyToRoot": "./site",
                "exclude": ["**/*.log"],
                "config": {
                    "Cmd": ["/bin/web", "--port", "8080"],
                    "ExposedPorts": {"8080/tcp": {}},
                    "User": "1000:1000"
                },
                "labels": {"org.opencontainers.image.source": "https://example.org/acme/web"},
                "permissions": [{"path": "/srv/data/**", "uid": 1000}]
            },
            {
                "name": "hello",
                "contents": ["/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0"],
                "config": {"Cmd": ["/bin/hello"]},
                "caCertificates": true,
                "fakeNss": true,
                "tmp": true,
                "maxLayers": 60
            }
        ]
    )
)]
pub struct ImageSpec {
    /// Name of the image, such as `web`, or `ghcr.io/acme/web` with a registry. It may end in
    /// `:TAG`. Required, unless `--name` is given.
    #[schemars(extend("examples" = ["ghcr.io/acme/web", "web:1.2"]))]
    pub name: Option<String>,
    /// Tag of the image. It must not differ from a tag in `name`. A generated tag is a digest of
    /// everything that goes into the image. Store paths with a hash in their names are identified
    /// by name, all other files by content.
    ///
    /// Default: the tag in `name`, or else the first of `tags`, or else a generated tag.
    #[schemars(extend("examples" = ["1.2"]))]
    pub tag: Option<String>,
    /// Further tags. A destination that names no tag gets all tags of the image.
    #[schemars(extend("examples" = [["1.2", "latest"]]))]
    pub tags: OneOrMany,
    /// Base image: a reference such as `docker://debian:12` or `oci:layout:base`, or the path of a
    /// docker-archive, an OCI archive or an OCI layout. Archives may be compressed. If the base
    /// image exists for several platforms, terrine selects the platform of the image, or that of
    /// this machine if nothing else determines the platform.
    ///
    /// Default: no base image.
    #[schemars(extend("examples" = ["docker://debian:12", "./base.tar"]))]
    pub from_image: Option<String>,
    /// Directories whose files appear at the root of the image as symbolic links. A store path is
    /// added to the image with its closure. A directory of this machine becomes a store path:
    /// `<storeDir>/contents`, `<storeDir>/contents-2` and so on, or `<storeDir>/NAME` for an object
    /// with `name` and `path`. Use `copyToRoot` for files instead of links, as for a static site.
    ///
    /// If two directories have the same file, the first one wins and a warning names both. If one
    /// has a directory and another has a link to a directory at the same path, the image gets the
    /// files of both. A path given here may be a link. Links below it are not followed to places
    /// outside of it.
    #[schemars(extend("examples" = [["./site"], [{"name": "site", "path": "./site"}]]))]
    pub contents: Contents,
    /// Directories whose content is copied to the root of the image, as `COPY` in a Dockerfile does,
    /// with the extended attributes `security.capability` and `user.*` of files. If two directories
    /// have the same file, the last one wins and a warning names both.
    ///
    /// A link to a directory within the copied directory or in the store is replaced by a copy of
    /// that directory. Links to directories that the root already has are followed. A path given
    /// here may be a link. Links below it are not followed to places outside of it.
    #[schemars(extend("examples" = [["./root"]]))]
    pub copy_to_root: OneOrMany,
    /// Patterns of files to leave out of directories of this machine, in `contents` and
    /// `copyToRoot`. They have the syntax of `.dockerignore` and are relative to each directory.
    /// The last pattern that matches a path, or a directory that contains it, decides; a pattern
    /// that begins with `!` includes files again. `.git`, `.hg` and `.svn` are left out unless a
    /// pattern such as `!.git` includes them.
    #[schemars(extend("examples" = [["**/*.log", "!keep.log"]]))]
    pub exclude: OneOrMany,
    /// True to keep the permissions of files and directories of this machine. Otherwise they are
    /// normalised to those that version control records: 0755 for directories and programs, 0644
    /// for other files. Programs with a set-id bit, directories with the sticky bit, and store
    /// paths always keep their permissions.
    #[schemars(extend("examples" = [true]))]
    pub keep_modes: bool,
    /// Settings of containers that run the image, such as the command, the environment and the
    /// user.
    #[schemars(extend("examples" = [{"Cmd": ["/bin/web", "--port", "80"]}]))]
    #[serde(deserialize_with = "optional_object")]
    pub config: Option<Config>,
    /// Settings to take over from the configuration of the base image. Settings in `config` have
    /// precedence.
    #[schemars(extend("default" = "environment", "examples" = ["all"]))]
    pub base_config: BaseConfig,
    /// Placement of files in directories that are symbolic links in the base image, such as `/bin`,
    /// which links to `usr/bin` in Debian. To find the links, terrine downloads a base image in a
    /// registry once. With `replace`, it does not.
    #[schemars(extend("default" = "follow", "examples" = ["replace"]))]
    pub base_links: BaseLinksSpec,
    /// Labels to add to `config.Labels`. A label of the same name there has precedence. A label that
    /// is taken over from the base image is replaced.
    #[schemars(extend("examples" = [{"org.opencontainers.image.version": "1.2"}]))]
    #[serde(deserialize_with = "unique_map")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the image's manifest. They replace annotations of the same name that terrine
    /// writes, and an empty value removes one. A docker-archive has no annotations.
    #[schemars(extend("examples" = [{"org.opencontainers.image.version": "1.2"}]))]
    #[serde(deserialize_with = "unique_map")]
    pub annotations: BTreeMap<String, String>,
    /// Architecture of the image, by its name in Go (`amd64`, `arm64`) or in Nix (`x86_64`,
    /// `aarch64-linux`). The operating system is always Linux. Programs for another architecture
    /// are an error, unless `--allow-foreign` is given.
    ///
    /// Default: the architecture of `system`, or else that of the image's programs, or else that of
    /// the base image, or else this machine's.
    #[schemars(extend("examples" = ["arm64"]))]
    pub architecture: Option<String>,
    /// Variant of the architecture.
    ///
    /// Default: the variant of an architecture such as `armv7l`, or else none.
    #[schemars(extend("examples" = ["v7"]))]
    pub variant: Option<String>,
    /// System of the image by its name in Nix. It is used only without `architecture`.
    #[schemars(extend("examples" = ["aarch64-linux"]))]
    pub system: Option<String>,
    /// Creation time of the image. `SOURCE_DATE_EPOCH` is not read.
    #[schemars(extend("default" = "1970-01-01T00:00:01Z", "examples" = ["2026-01-31T12:00:00Z", "now"]))]
    pub created: Option<TimeField>,
    /// Modification time of every file in layers of store paths. It does not apply to the root
    /// layer, whose files have the time 1980-01-01. `SOURCE_DATE_EPOCH` is not read.
    #[schemars(extend("default" = "1970-01-01T00:00:01Z", "examples" = ["@0"]))]
    pub mtime: Option<TimeField>,
    /// Numeric owner of every file in layers of store paths. For files in the root layer, see
    /// `permissions`.
    #[schemars(extend("examples" = [1000]))]
    pub uid: u32,
    /// Numeric group of every file in layers of store paths. For files in the root layer, see
    /// `permissions`.
    #[schemars(extend("examples" = [1000]))]
    pub gid: u32,
    /// Name of the owner of every file in layers of store paths.
    #[schemars(extend("default" = "root", "examples" = ["app"]))]
    pub uname: Option<String>,
    /// Name of the group of every file in layers of store paths.
    #[schemars(extend("default" = "root", "examples" = ["app"]))]
    pub gname: Option<String>,
    /// Rules that set owners, permissions and capabilities by path, in all layers except those of
    /// the base image. Only the first rule that matches a path applies to it. A rule that changes
    /// nothing causes a warning.
    #[schemars(extend("examples" = [[{"path": "/srv/data/**", "uid": 1000}]]))]
    #[serde(deserialize_with = "objects")]
    pub permissions: Vec<PermissionSpec>,
    /// Maximum number of layers of the image, including the layers of the base image and the root
    /// layer. Clients accept up to 127.
    ///
    /// Default: `100`, or no limit with a `layeringPipeline`.
    #[schemars(range(min = 2), extend("examples" = [60]))]
    pub max_layers: Option<u32>,
    /// False to leave store paths out of the image. Such an image works only where the store is
    /// mounted.
    #[schemars(extend("default" = true, "examples" = [false]))]
    pub include_store_paths: Option<bool>,
    /// Pipeline in the language of dockerTools that groups store paths into layers: a list of
    /// steps, or the path of a JSON file with one. It cannot be combined with `planner`.
    #[schemars(extend("examples" = [[["popularity_contest"], ["limit_layers", 50]], "./pipeline.json"]))]
    pub layering_pipeline: Option<Pipeline>,
    /// Policy that groups store paths into layers: the name of a policy of the built-in planner, or
    /// an object. `terrine planner list` shows the policies. This field cannot be combined with
    /// `layeringPipeline`.
    ///
    /// Default: `least-pull`.
    #[schemars(extend("examples" = [
        "popularity",
        {"policy": "auto"},
        {"component": "./policy.wasm", "options": {"spread": 3}}
    ]))]
    pub planner: Option<PlannerSpec>,
    /// Earlier closures of the image: the path of a file that `terrine replay record` wrote. A
    /// policy that uses the history, such as `least-pull`, learns from it how often packages
    /// change. The newest closure in it may be that of the image itself.
    #[schemars(extend("examples" = ["./updates.json"]))]
    pub history: Option<String>,
    /// Images that clients hold, the newest first. A policy that uses the history keeps layers of
    /// these images if clients then pull less than with a new grouping. Each is a reference such as
    /// `docker://ghcr.io/acme/web:1.1`, the path of an image, or the path of a file that `terrine
    /// plan` or `terrine build --summary` wrote. An image must name the store paths in its layers,
    /// as images of terrine and dockerTools do.
    #[schemars(extend("examples" = [["docker://ghcr.io/acme/web:1.1"]]))]
    pub previous: OneOrMany,
    /// References between store paths: JSON files of `exportReferencesGraph` or of `nix path-info
    /// --json --recursive`, or directories made by `closureInfo`. See `wholeClosure` for the paths
    /// that belong to the image.
    ///
    /// Default: the references in the database of the store on this machine.
    #[schemars(extend("examples" = [["./closure.json"]]))]
    pub closure: OneOrMany,
    /// True to add every store path in `closure` to the image. False to add only those that the
    /// specification names or mentions, with all that they refer to, and to leave out the others
    /// without a warning.
    ///
    /// Default: true if no store path is named by `contents`, `copyToRoot`, `files` or a helper
    /// such as `binSh`, or else false.
    #[schemars(extend("examples" = [false]))]
    pub whole_closure: Option<bool>,
    /// Store paths that the specification may mention although they do not exist, such as the
    /// output of a build that will run in the image.
    #[schemars(extend("examples" = [["/nix/store/0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-result"]]))]
    pub absent_paths: Vec<String>,
    /// Binary caches of Nix to take store paths from that this machine does not have. They are
    /// asked in the order of their priorities, and in this order where these are the same.
    ///
    /// The references between store paths come from the caches, too. Each path must have a
    /// signature by one of the trusted keys: those of its cache, those of `--trusted-key`, and those
    /// that Nix trusts on this machine.
    #[schemars(extend("examples" = [[{
        "url": "https://cache.example.org",
        "publicKeys": ["cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="]
    }]]))]
    #[serde(deserialize_with = "objects")]
    pub caches: Vec<CacheSpec>,
    /// Directory of store paths in the image.
    #[schemars(extend("default" = "/nix/store", "examples" = ["/gnu/store"]))]
    pub store_dir: Option<String>,
    /// Helper that adds `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf` with the users and
    /// groups `root` and `nobody`, and the directory `/var/empty`. An object adds further users and
    /// groups.
    #[schemars(extend("examples" = [true, {"extraPasswdLines": ["app:x:1000:1000::/home/app:/bin/sh"]}]))]
    pub fake_nss: Switch<FakeNss>,
    /// Helper that adds `/bin/sh`, a link to a shell. A path selects a program, or a package with
    /// `bin/sh`, `bin/bash`, `bin/dash` or `bin/busybox`. True selects the only shell among the
    /// store paths of the image.
    #[schemars(extend("examples" = [true, "/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-bash-5.2"]))]
    pub bin_sh: PathSwitch,
    /// Helper that adds `/usr/bin/env`, a link to a program. A path selects a program, or a package
    /// with `bin/env`. True selects the only `bin/env` among the store paths of the image.
    #[schemars(extend("examples" = [true, "/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-coreutils-9.7"]))]
    pub usr_bin_env: PathSwitch,
    /// Helper that adds CA certificates at the paths where programs look for them, such as
    /// `/etc/ssl/certs/ca-bundle.crt`. True adds Mozilla's certificates, which are part of terrine.
    /// A path selects a bundle in PEM format, or a package with a bundle.
    #[schemars(extend("examples" = [true, "./ca.pem"]))]
    pub ca_certificates: PathSwitch,
    /// Helper that adds `/tmp` with the mode 1777.
    #[schemars(extend("examples" = [true]))]
    pub tmp: bool,
    /// Helper that adds the files that the shadow tools need to create users: `/etc/passwd`,
    /// `/etc/shadow`, `/etc/group`, `/etc/gshadow`, `/etc/pam.d/other`, `/etc/login.defs`, and the
    /// directory `/root`.
    #[schemars(extend("examples" = [true]))]
    pub shadow_setup: bool,
    /// True to add a Nix database, so that Nix works in the image: `nix-store --query`, `nix copy`,
    /// builds and `nix-collect-garbage`. Garbage collection keeps every store path that the image
    /// names. This field cannot be combined with `includeStorePaths: false`.
    ///
    /// All store paths of the image are registered, together with those that a database in the base
    /// image registers. Signatures are kept if the source has them. NAR hashes are read from
    /// `closure` or from the database of the store, and are not verified; missing ones are
    /// computed. A base image in a registry is downloaded.
    #[schemars(extend("examples" = [true]))]
    #[serde(rename = "includeNixDB")]
    pub include_nix_db: bool,
    /// Owner of the Nix database, of the store's directory, and of the directories `var/nix` and
    /// `var/log/nix` beside it: the user that runs Nix in the image without a daemon. To delete
    /// store paths of the image, that user must own the store paths, too; see `uid` and `gid`. It
    /// requires `includeNixDB`.
    ///
    /// Default: root.
    #[schemars(extend("examples" = [{"uid": 1000, "gid": 1000}]))]
    #[serde(deserialize_with = "optional_object")]
    pub nix_database: Option<NixDatabaseSpec>,
    /// Files, links and directories to add to the root of the image, by their absolute paths there.
    #[schemars(extend("default" = {}, "examples" = [
        {"/etc/web.conf": {"source": "./web.conf"}},
        {"/etc/motd": {"text": "Welcome\n"}, "/home/app": {"directory": true, "uid": 1000, "gid": 1000}}
    ]))]
    #[serde(deserialize_with = "unique_objects")]
    pub files: BTreeMap<String, FileSpec>,
    /// Shell script to run on the tree of the root layer as an unprivileged user. The tree is its
    /// working directory, and all files are owned by root afterwards. With `runAsRoot`, this script
    /// runs as root, too.
    #[schemars(extend("examples" = ["mkdir -p var/lib/web"]))]
    pub extra_commands: Option<String>,
    /// Shell script to run on the tree of the root layer as root, after `extraCommands`. Owners
    /// that it sets are kept. terrine itself needs no root rights for it.
    #[schemars(extend("examples" = ["chown -R 1000:1000 home/app"]))]
    pub fake_root_commands: Option<String>,
    /// True to run `fakeRootCommands` with the tree as `/`, instead of as the working directory.
    #[schemars(extend("examples" = [true]))]
    pub enable_fakechroot: bool,
    /// Shell script to run as root before `extraCommands`, with the base image and the tree merged
    /// as `/`. Its changes become part of the root layer. terrine itself needs no root rights for
    /// it.
    #[schemars(extend("examples" = ["adduser -D app"]))]
    pub run_as_root: Option<String>,
    /// Tools and shell of `extraCommands`, `fakeRootCommands` and `runAsRoot`.
    ///
    /// Default: the tools of the tree and, for `runAsRoot`, of the base image.
    #[schemars(extend("examples" = [{"path": ["./busybox"]}]))]
    #[serde(deserialize_with = "object")]
    pub commands: CommandsSpec,
    /// Size of the disk of a virtual machine in dockerTools, in MiB. terrine uses no virtual
    /// machine, and notes that the field has no effect.
    #[schemars(extend("examples" = [1024]))]
    pub disk_size: Option<u64>,
    /// Memory of a virtual machine in dockerTools, in MiB. terrine uses no virtual machine, and
    /// notes that the field has no effect.
    #[schemars(extend("examples" = [512]))]
    #[serde(rename = "buildVMMemorySize")]
    pub build_vm_memory_size: Option<u64>,
    /// The value of `config` as it was written.
    #[serde(skip)]
    pub config_json: Option<BTreeMap<String, Json>>,
    /// True if `baseConfig` was given.
    #[serde(skip)]
    pub base_config_given: bool,
    /// The directory that relative paths start at.
    #[serde(skip)]
    pub directory: PathBuf,
    /// The paths of this machine that the user wrote in another form, which messages show.
    #[serde(skip)]
    pub given: BTreeMap<String, String>,
}
