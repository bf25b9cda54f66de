//! A registry of our own: Debian's `docker-registry`, on a port of the loopback that
//! nobody else has, gone with the value or with the process.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::archive::digest;
use super::http::{self, Answer};
use super::{Run, peer, temporary};

/// The user of a registry that asks for credentials.
pub const USER: &str = "terrine";
/// The password.
pub const PASSWORD: &str = "secret";
/// The line that `htpasswd -B` makes of both.
pub const HTPASSWD: &str = "terrine:$2b$04$5vFIn06.4dpbdhS4ygkbwOfsdt8YyQFAMe.BZg/oetU3qJURiRJMm\n";
/// The value that a client has to send instead: `Basic`, and both in base64.
pub const BASIC: &str = "Basic dGVycmluZTpzZWNyZXQ=";

/// The time that a registry may take to start.
const START: Duration = Duration::from_secs(60);

/// A shell that runs a program until its own input ends: when the process that started it lets go
/// of the other end, on purpose or because it was killed, the program is killed too. The
/// kernel's own signal for this goes by threads, and each test has one of its own.
const LEASH: &str = r#""$@" & read -r _; kill -KILL $!; wait"#;

/// All the types that a manifest can have.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// A registry that runs.
#[derive(Debug)]
pub struct Registry {
    /// The server that clients contact.
    front: Server,
    /// The same storage without a lock on the door, for the harness. None where the front
    /// has none either.
    back: Option<Server>,
    folder: tempfile::TempDir,
}

/// A manifest, as a registry hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The manifest.
    pub bytes: Vec<u8>,
    /// The type that it is said to have.
    pub content_type: String,
    /// Its digest, as the registry has it.
    pub digest: String,
}

impl Registry {
    /// One that anybody may use. Nothing, said aloud, where it is not installed.
    pub fn start() -> Option<Self> {
        let folder = temporary();
        let front = Server::start(folder.path(), "front", "")?;
        Some(Self {
            front,
            back: None,
            folder,
        })
    }

    /// One that wants [`USER`] and [`PASSWORD`].
    pub fn with_basic_auth() -> Option<Self> {
        let folder = temporary();
        let file = folder.path().join("htpasswd");
        fs::write(&file, HTPASSWD).unwrap();
        let auth = format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            file.display()
        );
        Self::behind(folder, &auth)
    }

    /// One that speaks TLS, with a certificate that [`authority`](Self::authority) vouches for.
    pub fn with_tls() -> Option<Self> {
        let folder = temporary();
        certify(folder.path())?;
        let file = |name| folder.path().join(name).display().to_string();
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let tls = format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        Self::behind(folder, &tls)
    }

    /// The same, which wants a certificate of its clients: one that its authority signed.
    pub fn with_client_certificates() -> Option<Self> {
        let folder = temporary();
        certify(folder.path())?;
        let file = |name| folder.path().join(name).display().to_string();
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let authority = file("ca.pem");
        let tls = format!(
            "  tls:\n    certificate: {certificate}\n    key: {key}\n    clientcas:\n      - {authority}\n"
        );
        Self::behind(folder, &tls)
    }

    /// One that speaks TLS, with a certificate that nobody signed, as registries' documentation makes one. That is
    /// the [`authority`](Self::authority), too.
    pub fn with_own_certificate() -> Option<Self> {
        let folder = temporary();
        let openssl = peer::find("openssl")?;
        let mut command = Command::new(openssl);
        command
            .current_dir(folder.path())
            .env("HOME", folder.path());
        let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout server.key -out ca.pem";
        Run::of(command.args(arguments.split_ascii_whitespace())).ok();
        let file = |name| folder.path().join(name).display().to_string();
        let (certificate, key) = (file("ca.pem"), file("server.key"));
        let tls = format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        Self::behind(folder, &tls)
    }

    fn behind(folder: tempfile::TempDir, door: &str) -> Option<Self> {
        let front = Server::start(folder.path(), "front", door)?;
        let back = Server::start(folder.path(), "back", "");
        Some(Self {
            front,
            back,
            folder,
        })
    }

    /// Returns the address that it listens on: `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.front.host
    }

    /// Returns the address at which anybody can have the same storage in plain HTTP.
    pub fn back(&self) -> &str {
        &self.back.as_ref().unwrap_or(&self.front).host
    }

    /// Returns the address at which a proxy finds it: behind its door only where that speaks TLS.
    pub(crate) fn front(&self) -> &str {
        if self.authority().exists() {
            self.back()
        } else {
            self.host()
        }
    }

    /// The certificate that a client has to trust, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Asks the registry something, past its door.
    pub fn ask(&self, method: &str, target: &str) -> Answer {
        http::ask(self.back(), method, target, &[("Accept", MANIFESTS)], &[]).unwrap()
    }

    /// The digests of all blobs that it holds, manifests among them.
    pub fn blobs(&self) -> BTreeSet<String> {
        let mut blobs = BTreeSet::new();
        let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
        for folder in folders(&self.storage().join("blobs/sha256")) {
            let blob = folders(&folder.path()).filter(|blob| blob.path().join("data").is_file());
            blobs.extend(blob.map(|blob| format!("sha256:{}", blob.file_name().display())));
        }
        blobs
    }

    /// The file of a blob, to be looked at or broken.
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.storage()
            .join("blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data")
    }

    /// The folder that it keeps everything in.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage/docker/registry/v2")
    }

    /// The tags of a repository, sorted; none where there is no such repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.ask("GET", &format!("/v2/{repository}/tags/list"));
        let list: Value = serde_json::from_slice(&answer.body).unwrap();
        let mut tags: Vec<String> = list["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| Some(tag.as_str()?.to_owned()))
            .collect();
        tags.sort();
        tags
    }

    /// The same where the repository may never have had any.
    pub fn tags_if_any(&self, repository: &str) -> Vec<String> {
        let known = self
            .ask("GET", &format!("/v2/{repository}/tags/list"))
            .status()
            == 200;
        if known { self.tags(repository) } else { vec![] }
    }

    /// Returns what a tag or digest stands for, if there is such a thing.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Stored> {
        let answer = self.ask("GET", &format!("/v2/{repository}/manifests/{reference}"));
        (answer.status() == 200).then(|| Stored {
            content_type: answer.field("content-type"),
            digest: answer.field("docker-content-digest"),
            bytes: answer.body,
        })
    }

    /// A blob of a repository, if it exists.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let answer = self.ask("GET", &format!("/v2/{repository}/blobs/{digest}"));
        (answer.status() == 200).then_some(answer.body)
    }

    /// Uploads a blob, past the door, and gives its digest.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", digest(bytes));
        let location = self
            .ask("POST", &format!("/v2/{repository}/blobs/uploads/"))
            .field("location");
        let at = location.find("/v2/").unwrap();
        let target = format!("{}&digest={digest}", &location[at..]);
        let kind = [("Content-Type", "application/octet-stream")];
        let answer = http::ask(self.back(), "PUT", &target, &kind, bytes).unwrap();
        assert_eq!(
            answer.status(),
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        digest
    }

    /// Puts a manifest under a tag or a digest, past the door, and gives its digest. What
    /// it names has to be there.
    pub fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        bytes: &[u8],
    ) -> String {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let answer = http::ask(
            self.back(),
            "PUT",
            &target,
            &[("Content-Type", kind)],
            bytes,
        )
        .unwrap();
        assert_eq!(
            answer.status(),
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.field("docker-content-digest")
    }

    /// Takes a manifest away, by its digest, and the tags that stand for it.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        let answer = self.ask("DELETE", &format!("/v2/{repository}/manifests/{digest}"));
        assert_eq!(
            answer.status(),
            202,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// Takes a blob away from a repository.
    pub fn delete_blob(&self, repository: &str, digest: &str) {
        let answer = self.ask("DELETE", &format!("/v2/{repository}/blobs/{digest}"));
        assert_eq!(
            answer.status(),
            202,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// Empties it.
    pub fn clear(&self) {
        let _ = fs::remove_dir_all(self.storage());
    }
}

/// The process.
#[derive(Debug)]
struct Server {
    child: Child,
    host: String,
    log: PathBuf,
}

impl Server {
    fn start(folder: &Path, name: &str, door: &str) -> Option<Self> {
        let program = peer::find("docker-registry")?;
        let (config, log) = (
            folder.join(format!("{name}.yml")),
            folder.join(format!("{name}.log")),
        );
        fs::write(&config, configuration(&folder.join("storage"), door)).unwrap();
        let output = File::create(&log).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "sh"])
            .arg(program)
            .arg("serve")
            .arg(config);
        command
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        // Credentials and collectors of the user's are nothing to it.
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("OTEL_TRACES_EXPORTER", "none");
        let child = command.spawn().unwrap();
        let mut server = Self {
            child,
            host: String::new(),
            log,
        };
        server.host = server.listening();
        Some(server)
    }

    /// Returns the address that it says it listens on. The system has chosen the port.
    fn listening(&self) -> String {
        let start = Instant::now();
        while start.elapsed() < START {
            let log = self.text();
            let host = log
                .split("listening on ")
                .nth(1)
                .and_then(|rest| rest.split(['"', ',']).next());
            if let Some(host) = host.filter(|host| host.len() > 10 && log.ends_with('\n')) {
                return host.to_owned();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the registry did not start:\n{}", self.text());
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    #[allow(
        clippy::print_stderr,
        reason = "a test that fails shows what the registry said"
    )]
    fn drop(&mut self) {
        // This ends the shell's input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = self.text();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!(
                "the registry's last words:\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
    }
}

/// The registry's configuration; `door` is what stands before the HTTP part's end and
/// after it.
fn configuration(storage: &Path, door: &str) -> String {
    let storage = storage.display();
    format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {storage}\n  \
         delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:0\n  secret: not a secret\n{door}"
    )
}

/// The configuration that `openssl` needs for the two certificates.
const CERTIFICATES: &str = "[req]\ndistinguished_name = name\n[name]\n\
    [authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
    subjectKeyIdentifier = hash\n\
    [server]\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\n\
    subjectAltName = IP:127.0.0.1, DNS:localhost\n";

/// Makes an authority, and a certificate for the loopback.
fn certify(folder: &Path) -> Option<()> {
    let openssl = peer::find("openssl")?;
    fs::write(folder.join("openssl.cnf"), CERTIFICATES).unwrap();
    let request = |arguments: &str| {
        let mut command = Command::new(&openssl);
        command.current_dir(folder).env("HOME", folder).args([
            "req",
            "-x509",
            "-config",
            "openssl.cnf",
        ]);
        command.args([
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]);
        Run::of(command.args(["-days", "2"]).args(arguments.split(' '))).ok();
    };
    request("-subj /CN=terrine-test-authority -extensions authority -keyout ca.key -out ca.pem");
    request(
        "-subj /CN=localhost -extensions server -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem",
    );
    Some(())
}
