//! Image specifications.

use std::path::Path;

use serde_json::{Map, Value};
use terrine::spec::{ImageSpec, Json};

use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "name",
    "tag",
    "fromImage",
    "contents",
    "config",
    "architecture",
    "created",
    "mtime",
    "uid",
    "gid",
    "uname",
    "gname",
    "maxLayers",
    "fakeNss",
    "caCertificates",
    "tmp",
    "files",
    "permissions",
    "includeNixDB",
    "copyToRoot",
    "runAsRoot",
    "extraCommands",
    "fakeRootCommands",
    "enableFakechroot",
    "layeringPipeline",
    "planner",
    "policy",
    "options",
    "component",
    "storeDir",
    "closure",
    "compression",
    "annotations",
    "labels",
    "variant",
    "platform",
    "directory",
    "symlink",
    "text",
    "mode",
    "path",
    "Cmd",
    "Env",
    "User",
    "Healthcheck",
    "Labels",
    "now",
    "0755",
    "u=rwx,go=rX",
    "/etc/**",
    "true",
    "./site",
    "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0",
    "base",
    "history",
    "author",
    "binSh",
    "usrBinEnv",
    "exposedPorts",
];

pub(super) const TARGET: Target = Target {
    name: "specifications",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 3_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"name":"ghcr.io/acme/web","contents":["/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0","./site"],
            "config":{"Cmd":["/bin/hello"],"Env":["PATH=/bin"],"User":"app","Labels":{"a":"b"},"Healthcheck":{"Test":["CMD","x"],"Interval":1}},
            "fakeNss":{"extraPasswdLines":["app:x:1000:1000::/home/app:/bin/sh"]},"caCertificates":true,"tmp":true,
            "files":{"/home/app":{"directory":true,"uid":1000,"gid":1000},"/a":{"text":"x","mode":"0644"},"/b":{"symlink":"/a"}},
            "permissions":[{"path":"/etc/ssl/**","uid":0,"mode":"0755"}],"maxLayers":60}"#,
        r#"{"name":"a","tag":"1.0","contents":"./site","created":"now","mtime":"1970-01-01T00:00:01Z","fromImage":"docker://debian:12"}"#,
        r#"{"name":"a","config":{"n":1.50,"s":"\u00e9\ud83d\ude00","deep":[[[{}]]]},"extraCommands":"true","includeNixDB":true}"#,
        r#"{"name":"a","contents":[],"planner":{"policy":"pipeline","options":{"pipeline":[["popularity_contest"]]}},"copyToRoot":["./x"]}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn read(text: &[u8]) -> Result<String, String> {
    let spec = ImageSpec::read_from(text, Path::new("image.json"), Path::new("/folder"));
    spec.map(|spec| format!("{spec:?}"))
        .map_err(|error| error.to_string())
}

fn run(data: &[u8]) -> bool {
    let spec = read(data);
    json(data);
    if let Ok(Value::Object(fields)) = serde_json::from_slice(data) {
        // The order of fields means nothing. A key that is there twice is gone here.
        let turned: Map<String, Value> = fields.clone().into_iter().rev().collect();
        let plain = read(Value::Object(fields).to_string().as_bytes());
        let turned = read(Value::Object(turned).to_string().as_bytes());
        match (&plain, &turned) {
            (Ok(plain), Ok(turned)) => assert_eq!(plain, turned, "whatever the order of fields"),
            (Err(_), Err(_)) => {}
            (plain, turned) => panic!("in order: {plain:?}, and turned around: {turned:?}"),
        }
    }
    spec.is_ok()
}

/// JSON in its canonical form is read as the same value, and written as the same text.
fn json(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Json>(data) else {
        return;
    };
    for text in [value.to_string(), value.pretty()] {
        let again =
            serde_json::from_str::<Json>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again, value);
        assert_eq!(again.to_string(), value.to_string());
    }
    let mut count = 0;
    value.for_each_string(&mut |_| count += 1);
    assert!(count <= data.len());
}
