//! Examples of how fields of an image specification are written.

/// Fields and an example of each; what has alternatives in its message needs none.
const EXAMPLES: &[(&str, &str)] = &[
    ("contents", "[\"./site\"]"),
    ("copyToRoot", "[\"./root\"]"),
    ("exclude", "[\"**/*.log\"]"),
    ("fromImage", "\"docker://debian:12\""),
    ("config", "{\"Cmd\": [\"/bin/web\", \"--port\", \"80\"]}"),
    ("labels", "{\"org.opencontainers.image.version\": \"1.2\"}"),
    (
        "annotations",
        "{\"org.opencontainers.image.version\": \"1.2\"}",
    ),
    ("created", "\"2026-01-31T12:00:00Z\""),
    ("mtime", "\"@0\""),
    ("uid", "1000"),
    ("gid", "1000"),
    ("permissions", "[{\"path\": \"/data\", \"mode\": \"0755\"}]"),
    ("maxLayers", "100"),
    (
        "layeringPipeline",
        "[[\"popularity_contest\"], [\"limit_layers\", 50]]",
    ),
    ("planner", "\"least-pull\""),
    (
        "fakeNss",
        "{\"extraPasswdLines\": [\"web:x:1000:1000::/:/bin/sh\"]}",
    ),
    ("binSh", "true"),
    ("usrBinEnv", "true"),
    ("caCertificates", "true"),
    ("nixDatabase", "{\"uid\": 1000, \"gid\": 1000}"),
    (
        "files",
        "{\"/etc/web.conf\": {\"source\": \"./web.conf\", \"mode\": \"0644\"}}",
    ),
    ("commands", "{\"path\": [\"/nix/store/…-coreutils\"]}"),
    ("tags", "[\"1.2\", \"latest\"]"),
    ("previous", "[\"docker://ghcr.io/acme/web:1.1\"]"),
    ("closure", "[\"./graph.json\"]"),
];

/// Returns how a field is written, or where that can be read.
pub(crate) fn of(field: &str) -> String {
    let top = field.split(['.', '[']).next().unwrap_or_default();
    match EXAMPLES.iter().find(|(name, _)| *name == top) {
        Some((name, example)) => format!(
            "write it as `\"{name}\": {example}`, for example; `terrine schema` explains all fields"
        ),
        None if field.is_empty() => {
            "an image specification begins as `{\"name\": \"web\", \"contents\": \"./site\"}`; `terrine schema` explains all fields".to_owned()
        }
        None => "`terrine schema` explains all fields".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ImageSpec;
    use super::*;

    #[test]
    fn examples_are_right() {
        for (name, example) in EXAMPLES {
            let text = format!("{{\"{name}\": {example}}}");
            let read = serde_json::from_str::<ImageSpec>(&text);
            assert!(read.is_ok(), "{text}: {read:?}");
            assert!(of(&format!("{name}[0].x")).contains(example));
        }
        assert!(of("").contains("\"name\""));
    }
}
