use super::*;

fn path(package: &str, version: &str) -> StorePath {
    let name = format!("{package}-{version}");
    StorePath {
        path: format!("/nix/store/{version}-{name}"),
        name,
        package: package.into(),
        size: 1,
        references: vec![],
    }
}

#[test]
fn a_package_stays_where_it_is() {
    // Three layers, so that neighbours meet.
    let plan = |paths| {
        let request = Request {
            policy: String::new(),
            options: r#"{"layers": 3}"#.into(),
            store_dir: "/nix/store".into(),
            paths,
            roots: vec![],
            excluded: vec![],
            max_layers: Some(100),
            history: None,
        };
        Steady::plan(request)
            .unwrap()
            .layers
            .into_iter()
            .map(|layer| layer.paths)
            .collect::<Vec<_>>()
    };
    let before = plan(vec![
        path("zlib", "1"),
        path("hello", "1"),
        path("glibc", "1"),
    ]);
    let after = plan(vec![
        path("zlib", "2"),
        path("hello", "3"),
        path("glibc", "2"),
    ]);
    assert_eq!(before, after);
}
