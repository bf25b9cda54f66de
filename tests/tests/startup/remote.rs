//! A base image in a registry counts as one in a file does: it is downloaded once, and remembered.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::base::BaseImage;
use terrine_tests::proxy::Proxy;
use terrine_tests::registry::Registry;
use terrine_tests::{Run, terrine};

use super::{spec, store};

/// Adds a member with a mode and an owner to a layer's archive.
fn add(layer: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, uid: u64, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    if name.ends_with('/') {
        header.set_entry_type(tar::EntryType::Directory);
    }
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(uid);
    header.set_size(content.len() as u64);
    layer.append_data(&mut header, name, content).unwrap();
}

/// The layer of a base image: programs, users, and a directory that only its owner passes.
fn layer() -> Vec<u8> {
    let mut layer = tar::Builder::new(vec![]);
    let passwd = b"app:x:1000:1000::/:/bin/sh\n";
    add(&mut layer, "etc/", 0o755, 0, b"");
    add(&mut layer, "etc/passwd", 0o644, 0, passwd);
    add(&mut layer, "usr/bin/tool", 0o755, 0, b"\x7fELF");
    add(&mut layer, "usr/bin/plain", 0o644, 0, b"x");
    add(&mut layer, "own/", 0o700, 7, b"");
    add(&mut layer, "own/tool", 0o755, 7, b"\x7fELF");
    layer.into_inner().unwrap()
}

/// Configurations, and what is said of each on the base image.
fn cases() -> Vec<(Value, Option<&'static str>)> {
    let command = |command: &str, user: &str| json!({"Cmd": [command], "User": user});
    vec![
        (command("tool", ""), None),
        (command("/usr/bin/tool", "app"), None),
        (command("hello", "app"), None),
        (command("hello", "1000"), None),
        (command("/own/tool", ""), None),
        (
            command("no", ""),
            Some("the command `no` is not in the image: "),
        ),
        (
            command("/usr/bin/no", ""),
            Some("the command `/usr/bin/no` is not in the image"),
        ),
        (
            command("plain", ""),
            Some("the command `plain` is not executable"),
        ),
        (command("hello", "other"), Some("asks for the user `other`")),
        (
            command("hello", "app:staff"),
            Some("but the image has no `/etc/group`"),
        ),
        (
            command("/own/tool", "app"),
            Some("is in `/own`, which the user `app` cannot enter"),
        ),
    ]
}

#[test]
fn a_base_image_in_a_registry_counts_with_any_cache_and_with_none() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let (proxy, store) = (Proxy::to(&registry), store());
    let file = BaseImage::new(&[&layer()], &[]).write(&store);
    let remote = format!("docker://{}/base/os:1", proxy.host());
    Run::of(terrine().arg("copy").arg(&file).arg(&remote)).ok();
    let caches = store.root().join("caches");
    let messages = |image: &str, config: &Value, cache: Option<&str>| {
        let spec = spec(&store, config.clone())
            .with("fakeNss", false)
            .with("fromImage", image);
        let mut command = spec.command("plan");
        command.args(["--format", "json"]);
        match cache {
            Some("") => &mut command,
            Some(cache) => command.env("XDG_CACHE_HOME", caches.join(cache)),
            None => command.arg("--no-cache"),
        };
        let plan: Value = serde_json::from_slice(&Run::of(&mut command).ok().stdout).unwrap();
        let warnings = plan["warnings"].as_array().unwrap().iter();
        let messages: Vec<String> = warnings
            .map(|warning| warning["message"].as_str().unwrap().to_owned())
            .collect();
        messages
    };
    let downloads = || proxy.count(|request| request.is("GET", "/blobs/"));
    let file = file.to_str().unwrap();
    let mut of_first = 0;
    for (number, (config, expected)) in cases().iter().enumerate() {
        let of_file = messages(file, config, Some(""));
        match expected {
            None => assert_eq!(of_file, Vec::<String>::new(), "{config}"),
            Some(part) => {
                assert_eq!(of_file.len(), 1, "{config} {of_file:?}");
                assert!(of_file[0].contains(part), "{of_file:?}");
            }
        }
        assert_eq!(messages(&remote, config, Some("kept")), of_file, "{config}");
        if number == 0 {
            of_first = downloads();
        }
    }
    // The layer once, and the configuration as often as it is asked for.
    let layers = proxy.requests();
    let layers = layers.iter().filter(|request| request.is("GET", "/blobs/"));
    let mut times = std::collections::BTreeMap::new();
    layers.for_each(|request| *times.entry(request.path.clone()).or_insert(0) += 1);
    assert_eq!(of_first, 2, "{}", proxy.story());
    assert!(times.values().any(|&count| count == 1), "{times:?}");
    let config = json!({"Cmd": ["no"]});
    let of_file = messages(file, &config, Some(""));
    assert_eq!(messages(&remote, &config, None), of_file);
    // Where nothing is downloaded, nothing is said.
    proxy.forget();
    let spec = spec(&store, json!({"Cmd": ["no"]}))
        .with("fakeNss", false)
        .with("baseLinks", "replace")
        .with("fromImage", remote);
    let run = Run::of(&mut spec.command("plan")).ok();
    assert!(!run.stderr.contains("warning: "), "{}", run.stderr);
    fs::remove_dir_all(caches).unwrap();
}
