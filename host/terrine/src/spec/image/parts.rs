//! The parts of an image specification that have fields of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{ModeField, OneOrMany};

/// Settings that an image takes over from the configuration of its base image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseConfig {
    /// Only `Env`, as in dockerTools.
    #[default]
    Environment,
    /// The settings that `FROM` in a Dockerfile takes over: `Env`, `Cmd`, `Entrypoint`, `User`,
    /// `WorkingDir`, `Labels`, `Volumes`, `ExposedPorts`, `StopSignal`, `Healthcheck` and `Shell`.
    All,
}

/// Placement of files below a link of the base image to a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseLinksSpec {
    /// Files are placed in the target of the link.
    #[default]
    Follow,
    /// A directory replaces the link, and hides the files of the base image there.
    Replace,
}

/// Users and groups to add to `root` and `nobody`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FakeNss {
    /// Lines to add to `/etc/passwd`, each as `NAME:x:UID:GID:COMMENT:HOME:SHELL`.
    #[schemars(extend("examples" = [["app:x:1000:1000::/home/app:/bin/sh"]]))]
    pub extra_passwd_lines: Vec<String>,
    /// Lines to add to `/etc/group`, each as `NAME:x:GID:MEMBERS`.
    #[schemars(extend("examples" = [["app:x:1000:"]]))]
    pub extra_group_lines: Vec<String>,
}

/// Packages with tools, and the shell, for commands at the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandsSpec {
    /// Packages with tools: store paths, or directories of this machine. The directory `bin` of
    /// each is added to `PATH`, or the directory itself if it has no `bin`. The packages do not
    /// become part of the image, unless the image mentions them.
    #[schemars(extend("examples" = [
        ["/nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-coreutils-9.7", "./busybox"]
    ]))]
    pub path: OneOrMany,
    /// Shell that runs the scripts: the path of a program in the store, in a directory of `path`,
    /// or in the image.
    ///
    /// Default: the first `bash` or `sh` in `PATH`.
    #[schemars(extend("examples" = ["/bin/bash"]))]
    pub shell: Option<String>,
}

/// A binary cache of Nix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheSpec {
    /// Location of the cache: `https://HOST/PATH`, `http://HOST/PATH`, `file:///DIRECTORY`, or
    /// `s3://BUCKET` with the parameters `region`, `endpoint`, `profile`, `scheme` and
    /// `addressing-style`. The parameter `priority` replaces the priority that the cache states; a
    /// cache with a lower number is asked first.
    #[schemars(extend("examples" = ["https://cache.example.org", "file:///srv/cache"]))]
    pub url: String,
    /// Public keys whose signatures are trusted for paths from this cache, each as `NAME:KEY`.
    #[schemars(extend("examples" = [
        ["cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="]
    ]))]
    pub public_keys: Vec<String>,
}

/// A file, a link or a directory at the root of the image. Exactly one of `text`, `source`, `link`
/// and `directory` is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FileSpec {
    /// Content of a file.
    #[schemars(extend("examples" = ["Welcome\n"]))]
    pub text: Option<String>,
    /// File of this machine to copy, or file in a store path. The path is relative to the
    /// specification, and links in it are followed.
    #[schemars(extend("examples" = ["./web.conf"]))]
    pub source: Option<String>,
    /// Target of a symbolic link.
    #[schemars(extend("examples" = ["../run/lock"]))]
    pub link: Option<String>,
    /// True for a directory.
    #[schemars(extend("examples" = [true]))]
    pub directory: bool,
    /// Permission bits as a string of octal digits. A link has none.
    ///
    /// Default: `0644` for `text`, `0755` for a directory, and the permissions of the file for
    /// `source`, which are normalised unless `keepModes` is true.
    #[schemars(extend("examples" = ["0600"]))]
    pub mode: Option<ModeField>,
    /// Numeric owner.
    #[schemars(extend("examples" = [1000]))]
    pub uid: u32,
    /// Numeric group.
    #[schemars(extend("examples" = [1000]))]
    pub gid: u32,
}

/// Numeric owner and group of the Nix database and of the directories that Nix writes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NixDatabaseSpec {
    /// Numeric owner.
    #[schemars(extend("examples" = [1000]))]
    pub uid: u32,
    /// Numeric group.
    #[schemars(extend("examples" = [1000]))]
    pub gid: u32,
}

/// Rule that sets the owners, permissions and capabilities of the paths that match a pattern.
/// Exactly one of `path` and `regex` is required. Properties that are not given stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PermissionSpec {
    /// Shell pattern for the whole absolute path in the image. `*` and `?` do not match slashes,
    /// `**` does. Links in the path are not followed.
    #[schemars(extend("examples" = ["/srv/data/**"]))]
    pub path: Option<String>,
    /// Regular expression for the absolute path in the image. It matches anywhere in the path,
    /// unless it is anchored by `^` and `$`.
    #[schemars(extend("examples" = ["^/srv/.*[.]sh$"]))]
    pub regex: Option<String>,
    /// Permission bits as a string of octal digits. They do not apply to symbolic links.
    #[schemars(extend("examples" = ["0755"]))]
    pub mode: Option<ModeField>,
    /// Numeric owner.
    #[schemars(extend("examples" = [1000]))]
    pub uid: Option<u32>,
    /// Numeric group.
    #[schemars(extend("examples" = [1000]))]
    pub gid: Option<u32>,
    /// Name of the owner. It applies to layers of store paths only.
    #[schemars(extend("examples" = ["app"]))]
    pub uname: Option<String>,
    /// Name of the group. It applies to layers of store paths only.
    #[schemars(extend("examples" = ["app"]))]
    pub gname: Option<String>,
    /// Capabilities of programs, in the notation of `setcap`. They apply to regular files only.
    #[schemars(extend("examples" = ["cap_net_bind_service=ep"]))]
    pub capabilities: Option<String>,
}
