//! `conf.json`, as dockerTools writes it.

use terrine::plan::dockertools::{Conf, is_conf};

use crate::format::Format;
use crate::{Limit, Target, scratch};

const WORDS: &[&str] = &[
    "architecture",
    "variant",
    "config",
    "os",
    "store_dir",
    "from_image",
    "store_layers",
    "customisation_layer",
    "repo_tag",
    "created",
    "mtime",
    "uid",
    "gid",
    "uname",
    "gname",
    "now",
    "1970-01-01T00:00:01+00:00",
    "/nix/store/a",
    "0",
    "-1",
    "+7",
    "amd64",
    "x:y",
];

pub(super) const TARGET: Target = Target {
    name: "confs",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 8_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let text = r#"{"architecture":"amd64","config":{"Cmd":[1.50,"x"]},"os":"linux","store_dir":"/nix/store","from_image":null,
        "store_layers":[["/nix/store/a"],[]],"customisation_layer":"/nix/store/c","repo_tag":"x:y","created":"now",
        "mtime":"1970-01-01T00:00:01+00:00","uid":"0","gid":"1000","uname":"root","gname":"users","later":{"a":1}}"#;
    let other = text
        .replace("null", "\"/nix/store/base.tar\"")
        .replace("\"0\"", "-7")
        .replace("\"os\"", "\"variant\":\"v7\",\"os\"");
    vec![text.as_bytes().to_vec(), other.into_bytes()]
}

fn run(data: &[u8]) -> bool {
    let file = scratch::file(data);
    let path = scratch::path(&file);
    let told = is_conf(&path);
    let Ok(conf) = Conf::read(&path) else {
        return false;
    };
    assert!(
        told || data.contains(&0),
        "read as a conf.json, and not told to be one"
    );
    assert!(
        data.windows(conf.config.get().len())
            .any(|part| part == conf.config.get().as_bytes()),
        "`config` is kept as it is"
    );
    assert_eq!(conf.mtime.to_string(), conf.mtime.to_string());
    true
}
