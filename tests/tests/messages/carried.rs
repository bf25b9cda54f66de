//! `terrine cache export` and `import`: a cache in a file, for machines that begin without one.

use std::fs;
use std::path::Path;

use terrine_tests::{Run, Shipment, temporary, terrine};

/// Runs `terrine cache` with a cache of its own.
fn cache(home: &Path, arguments: &[&str], file: &Path) -> Run {
    let mut command = terrine();
    command.env("XDG_CACHE_HOME", home).arg("cache");
    Run::of(command.args(arguments).arg(file))
}

#[test]
fn a_second_machine_makes_no_layer_again_that_the_first_has_made() {
    let shipment = Shipment::new(&[("a", 1000), ("b", 2000)]);
    let (second, third) = (temporary(), temporary());
    let build = |home: &Path, tag: &str| {
        let to = format!("oci:layout:{tag}");
        let mut command = shipment.build_command(&to, &["--compression", "gzip"]);
        Run::of(command.env("XDG_CACHE_HOME", home))
    };
    let first = shipment.home().join("cache");
    let _ = build(&first, "1").ok();
    let file = shipment.home().join("layers.cache");
    let exported = cache(&first, &["export"], &file).ok();
    let counts = "2 layers and 3 compressed layers";
    assert!(exported.stderr.contains(counts), "{}", exported.stderr);
    let imported = cache(second.path(), &["import"], &file).ok();
    assert!(imported.stderr.contains(counts), "{}", imported.stderr);
    let again = cache(second.path(), &["import"], &file).ok();
    assert!(
        again.stderr.contains("5 were already known"),
        "{}",
        again.stderr
    );

    // Whoever looks into the store paths again makes other layers.
    shipment.remove_files();
    let _ = build(third.path(), "3").ok();
    let _ = build(second.path(), "2").ok();
    let digest = |tag: &str| {
        let layout = format!("oci:layout:{tag}");
        shipment.terrine(&["digest", &layout]).ok().stdout
    };
    assert_ne!(digest("1"), digest("3"));
    assert_eq!(digest("1"), digest("2"));
}

#[test]
fn only_what_was_exported_is_imported() {
    let shipment = Shipment::new(&[("a", 1000)]);
    let _ = shipment
        .build("oci:layout:1", &["--compression", "gzip"])
        .ok();
    let (first, second) = (shipment.home().join("cache"), temporary());
    let file = shipment.home().join("layers.cache");
    let missing = cache(second.path(), &["import", "--allow-missing"], &file).ok();
    let nothing = "nothing is imported";
    assert!(missing.stderr.contains(nothing), "{}", missing.stderr);
    assert_eq!(cache(second.path(), &["import"], &file).code, Some(1));
    let _ = cache(&first, &["export"], &file).ok();
    let text = fs::read_to_string(&file).unwrap();
    for (wrong, expected) in [
        (
            text.replacen("sha256:", "sha256:0", 1),
            "is damaged: it was changed",
        ),
        ("{}".to_owned(), "is not an exported layer cache"),
        (text[..text.len() / 2].to_owned(), "is damaged"),
    ] {
        fs::write(&file, wrong).unwrap();
        let refused = cache(second.path(), &["import"], &file);
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    fs::write(&file, &text).unwrap();
    let _ = cache(second.path(), &["import"], &file).ok();
    let mut prune = terrine();
    prune.env("XDG_CACHE_HOME", second.path());
    let pruned = Run::of(prune.args(["cache", "prune", "--max-size", "1"])).ok();
    assert!(pruned.stderr.starts_with("removed "), "{}", pruned.stderr);
    assert!(!pruned.stderr.starts_with("removed 0"), "{}", pruned.stderr);
}
