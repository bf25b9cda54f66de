//! Arguments about binary caches of Nix, and what this machine knows of them: trusted keys and
//! credentials.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use terrine::binary_cache::{
    CacheOptions, Netrc, NixConf, PublicKey, S3Access, S3Credentials, S3Profiles,
};
use terrine::plan;
use terrine::registry::Web;
use terrine::spec::{CacheSpec, ImageSpec};

use super::failure::{Context, Result};
use super::flag_names::FlagNames;
use super::{environment, headings};

/// The file of credentials for Nix, unless `nix.conf` names another.
const NETRC: &str = "/etc/nix/netrc";

/// Options for binary caches.
#[derive(Debug, Default, clap::Args)]
pub(super) struct BinaryCacheArgs {
    /// Binary cache to take store paths from that this machine does not have; may be repeated
    ///
    /// The location is https://HOST/PATH, http://HOST/PATH, file:///DIRECTORY or s3://BUCKET, as for
    /// Nix. Each path must have a signature by a trusted key: that of `--trusted-key`, or one that
    /// Nix trusts on this machine.
    #[arg(long = "cache", value_name = "URL", help_heading = headings::CONTENT)]
    caches: Vec<String>,

    /// Public key whose signatures are trusted for all binary caches; may be repeated
    #[arg(long = "trusted-key", value_name = "NAME:KEY", help_heading = headings::CONTENT)]
    trusted_keys: Vec<String>,

    /// Use store paths of binary caches without checking signatures
    ///
    /// An attacker who controls a cache, or the network on the way to it over HTTP, then decides what
    /// the image contains.
    #[arg(long, help_heading = headings::CONTENT)]
    no_check_sigs: bool,

    /// Take all store paths from binary caches, even those that this machine has
    #[arg(long, help_heading = headings::CONTENT)]
    no_store: bool,

    /// File of credentials for binary caches, in the format of curl
    ///
    /// By default, terrine reads the file that the setting `netrc-file` of Nix names, or
    /// /etc/nix/netrc.
    #[arg(long, value_name = "FILE", help_heading = headings::CONTENT)]
    netrc_file: Option<PathBuf>,
}

impl BinaryCacheArgs {
    /// Adds the caches to a specification. Those of the command line are asked first.
    pub(super) fn apply(&self, spec: &mut ImageSpec, names: &mut FlagNames) {
        let given = self.caches.iter().map(|url| CacheSpec {
            url: url.clone(),
            public_keys: vec![],
        });
        spec.caches.splice(0..0, given);
        for number in 0..self.caches.len() {
            names.note(format!("caches[{number}].url"), "--cache", None);
        }
    }

    /// Returns the settings for the caches of a specification.
    pub(super) fn settings(&self, spec: &ImageSpec) -> Result<CacheOptions> {
        let mut settings = CacheOptions {
            check_signatures: !self.no_check_sigs,
            ..CacheOptions::default()
        };
        if spec.caches.is_empty() {
            return Ok(settings);
        }
        let conf = nix_conf()?;
        for key in &self.trusted_keys {
            let key = PublicKey::parse(key).context("`--trusted-key` is not a public key")?;
            settings.keys.insert(key);
        }
        settings
            .keys
            .extend_from_nix_conf(&conf)
            .context("reading the trusted keys of Nix")?;
        settings.netrc = self.netrc(&conf)?;
        settings.s3 = s3()?;
        Ok(settings)
    }

    /// Returns the options of a plan that takes paths from caches.
    pub(super) fn options<'a>(
        &self,
        web: &'a Web,
        settings: &'a CacheOptions,
    ) -> plan::CacheOptions<'a> {
        plan::CacheOptions {
            access: Some((web, settings)),
            use_store: !self.no_store,
            temporary: std::env::temp_dir(),
        }
    }

    /// Reads the credentials for servers.
    fn netrc(&self, conf: &NixConf) -> Result<Netrc> {
        let place = match &self.netrc_file {
            Some(place) => place.clone(),
            None => PathBuf::from(conf.get("netrc-file").unwrap_or(NETRC)),
        };
        let text = if self.netrc_file.is_some() {
            Some(fs::read_to_string(&place).with_context(|| reading(&place))?)
        } else {
            readable(&place).with_context(|| reading(&place))?
        };
        let netrc = text.map(|text| Netrc::parse(&text)).transpose();
        Ok(netrc
            .with_context(|| format!("the file of credentials `{}` is malformed", place.display()))?
            .unwrap_or_default())
    }
}

fn reading(place: &Path) -> String {
    format!("cannot read `{}`", place.display())
}

/// Reads a file that need not be there, nor be one that this user may read.
fn readable(place: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(place) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}

/// Reads the settings of Nix: of the machine, then of the user, then of `NIX_CONFIG` (Nix manual, "nix.conf").
fn nix_conf() -> Result<NixConf> {
    let mut conf = NixConf::default();
    for place in nix_conf_files() {
        let Some(text) = readable(&place).with_context(|| reading(&place))? else {
            continue;
        };
        conf.add(&text, &place, &mut readable)
            .context("the settings of Nix cannot be used")?;
    }
    if let Some(text) = text("NIX_CONFIG") {
        conf.add(&text, Path::new("NIX_CONFIG"), &mut readable)
            .context("the settings in `NIX_CONFIG` cannot be used")?;
    }
    Ok(conf)
}

/// The files of settings, those that count less first.
fn nix_conf_files() -> Vec<PathBuf> {
    let directory = |name| environment::variable(name).map(PathBuf::from);
    let machine = directory("NIX_CONF_DIR").unwrap_or_else(|| PathBuf::from("/etc/nix"));
    let home = directory("HOME").map(|home| home.join(".config"));
    let user = directory("XDG_CONFIG_HOME").or(home);
    let user = user.map(|folder| folder.join("nix/nix.conf"));
    let user = match environment::variable("NIX_USER_CONF_FILES") {
        Some(files) => {
            // The first one counts most.
            let mut files: Vec<PathBuf> = std::env::split_paths(&files).collect();
            files.reverse();
            files
        }
        None => user.into_iter().collect(),
    };
    [machine.join("nix.conf")].into_iter().chain(user).collect()
}

/// Reads the credentials of S3 that the tools of AWS use.
fn s3() -> Result<S3Access> {
    let key = text("AWS_ACCESS_KEY_ID").zip(text("AWS_SECRET_ACCESS_KEY"));
    let token = text("AWS_SESSION_TOKEN");
    let environment = key.map(|(key, secret)| S3Credentials::new(&key, &secret, token.as_deref()));
    let home = environment::variable("HOME").map(|home| Path::new(&home).join(".aws/credentials"));
    let file = environment::variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let mut profiles = S3Profiles::default();
    if let Some(place) = file.or(home)
        && let Some(text) = readable(&place).with_context(|| reading(&place))?
    {
        profiles = S3Profiles::parse(&text).with_context(|| {
            format!("the file of credentials `{}` is malformed", place.display())
        })?;
    }
    Ok(S3Access {
        environment,
        profile: text("AWS_PROFILE"),
        profiles,
    })
}

/// Returns a variable that is set to text.
fn text(name: &str) -> Option<String> {
    let value = environment::variable(name)?.into_string().ok()?;
    Some(value).filter(|value| !value.is_empty())
}
