//! The same by the tools that people have: Nix copies the paths, a script makes an archive of them, `skopeo` copies
//! that.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use terrine_tests::{peer, skopeo};

use super::Result;
use super::place::Place;
use crate::image::Image;
use crate::{measure, process};

/// The times of the steps.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// `nix copy` into an empty store.
    pub(super) copy: Duration,
    /// The archive.
    pub(super) archive: Duration,
    /// `skopeo copy` to the registry.
    pub(super) push: Duration,
}

impl Steps {
    /// The time of all steps.
    pub(super) fn sum(&self) -> Duration {
        self.copy + self.archive + self.push
    }
}

/// Does all steps once; none without the tools, or where Nix cannot have the store.
pub(super) fn steps(place: &Place<'_>) -> Result<Option<Steps>> {
    let Some(nix) = peer::find("nix").filter(|_| place.store.dir == "/nix/store") else {
        return Ok(None);
    };
    let folder = place.folder().join("nix");
    let Some(mut skopeo) = skopeo::command("skopeo", place.folder()) else {
        return Ok(None);
    };
    fs::create_dir_all(folder.join("conf"))?;
    let settings = format!(
        "experimental-features = nix-command\ntrusted-public-keys = {}\nbuild-users-group =\n",
        place.key
    );
    fs::write(folder.join("conf/nix.conf"), settings)?;
    let root = folder.join("root");
    fs::create_dir_all(&root)?;
    let mut copy = Command::new(nix);
    copy.args(["copy", "--quiet", "--from", &place.server.url(), "--to"])
        .arg(format!("local?root={}", root.display()))
        .args(&place.paths)
        .env("NIX_CONF_DIR", folder.join("conf"))
        .env("NIX_STATE_DIR", folder.join("state"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("HOME", &folder);
    let copy = measure::alone(&mut copy)?.time;
    let archive: PathBuf = folder.join("image.tar");
    let image = Image::of(place.store)?;
    let mut stream = image.original()?.unwrap_or_else(|| image.terrine());
    let streamed = measure::into(&mut stream, File::create(&archive)?.into())?.time;
    place.registry.clear();
    skopeo
        .args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
        ])
        .arg(format!("docker-archive:{}", archive.display()))
        .arg(format!("docker://{}/big:1", place.registry.host()));
    let push = measure::alone(&mut skopeo)?.time;
    process::succeed(Command::new("chmod").args(["-R", "u+w"]).arg(&folder))?;
    fs::remove_dir_all(&folder)?;
    Ok(Some(Steps {
        copy,
        archive: streamed,
        push,
    }))
}
