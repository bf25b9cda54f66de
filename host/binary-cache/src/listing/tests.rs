use super::*;
use crate::testing::line;

fn lines(text: &[u8]) -> Result<Vec<String>, String> {
    let listing = Listing::parse(text).map_err(|error| error.to_string())?;
    let entry = |entry: ListingEntry<'_>| {
        line(&crate::nar::NarEntry {
            path: &entry.path,
            depth: entry.depth,
            kind: entry.kind,
        })
    };
    Ok(listing.entries().map(entry).collect())
}

/// A document around an entry.
fn document(root: &str) -> Vec<u8> {
    format!("{{\"version\":1,\"root\":{root}}}").into_bytes()
}

/// Written by `nix copy` of Nix 2.8, of a file `\xff` and a link to `\xfe/t`: neither is UTF-8.
#[test]
fn nix_2_8_writes_bytes_as_they_are() {
    let text = b"{\"version\":1,\"root\":{\"type\":\"directory\",\"entries\":{\
        \"\\u0001\x7f\":{\"type\":\"regular\",\"size\":1,\"narOffset\":232},\
        \"link\":{\"type\":\"symlink\",\"target\":\"\xfe/t\"},\
        \"q\\\"\\\\\":{\"type\":\"regular\",\"size\":2,\"executable\":true,\"narOffset\":808},\
        \"\xc3\xa9\":{\"type\":\"directory\",\"entries\":{}},\
        \"\xff\":{\"type\":\"regular\",\"size\":1,\"narOffset\":1768}}}}";
    let expected = [
        "0  directory",
        "1 \\x01\\x7f regular false 1",
        "1 link symlink \\xfe/t",
        "1 q\\\"\\\\ regular true 2",
        "1 \\xc3\\xa9 directory",
        "1 \\xff regular false 1",
    ];
    assert_eq!(lines(text).unwrap(), expected);
}

#[test]
fn the_order_is_that_of_bytes_whatever_that_of_the_json_is() {
    let file = |size: u32| format!("{{\"size\":{size},\"x\":[{{}}],\"type\":\"regular\"}}");
    let inner = format!(
        "{{\"entries\":{{\"z\":{},\"y\":{}}},\"type\":\"directory\"}}",
        file(1),
        file(2)
    );
    let root = format!(
        "{{\"entries\":{{\"b\":{inner},\"c\":{},\"a\":{inner},\"b.\":{}}},\"type\":\"directory\"}}",
        file(3),
        file(4)
    );
    let text = format!("{{\"root\":{root},\"other\":null,\"version\":1}}\n");
    let expected = [
        "0  directory",
        "1 a directory",
        "2 a/y regular false 2",
        "2 a/z regular false 1",
        "1 b directory",
        "2 b/y regular false 2",
        "2 b/z regular false 1",
        "1 b. regular false 4",
        "1 c regular false 3",
    ];
    assert_eq!(lines(text.as_bytes()).unwrap(), expected);
}

#[test]
fn what_no_nar_has_is_refused() {
    let file = r#"{"type":"regular","size":1}"#;
    let entry = |name: &str| format!(r#"{{"type":"directory","entries":{{"{name}":{file}}}}}"#);
    assert!(lines(&document(file)).is_ok());
    assert!(lines(&document(&entry(&"x".repeat(255)))).is_ok());
    for root in [
        "null",
        "[]",
        "{}",
        r#"{"type":"fifo"}"#,
        r#"{"type":"regular"}"#,
        r#"{"type":"regular","size":-1}"#,
        r#"{"type":"regular","size":"1"}"#,
        r#"{"type":"regular","size":18446744073709551616}"#,
        r#"{"type":"regular","size":1,"size":1}"#,
        r#"{"type":"regular","size":1,"entries":{}}"#,
        r#"{"type":"directory"}"#,
        r#"{"type":"symlink"}"#,
        r#"{"type":"symlink","target":""}"#,
        r#"{"type":"symlink","target":"a\u0000"}"#,
        &format!(r#"{{"type":"symlink","target":"{}"}}"#, "x".repeat(4096)),
        &entry(""),
        &entry("."),
        &entry(".."),
        &entry("a/b"),
        &entry("a\\u0000"),
        &entry(&"x".repeat(256)),
        &entry(&format!("a\":{file},\"b\":{file},\"a")),
    ] {
        assert!(lines(&document(root)).is_err(), "{root}");
    }
    for text in [
        "",
        "{}",
        "<html>",
        r#"{"version":1}"#,
        r#"{"version":2,"root":{"type":"regular","size":1}}"#,
        r#"{"root":{"type":"regular","size":1}}"#,
        r#"{"version":1,"root":{"type":"regular","size":1}} x"#,
    ] {
        assert!(lines(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_depth_is_limited() {
    let deep = |depth: usize| {
        let file = r#"{"type":"regular","size":1}"#.to_owned();
        (0..depth).fold(file, |inner, _| {
            format!(r#"{{"type":"directory","entries":{{"d":{inner}}}}}"#)
        })
    };
    let found = lines(&document(&deep(DEEPEST))).unwrap();
    assert_eq!(found.len(), DEEPEST + 1);
    assert!(lines(&document(&deep(DEEPEST + 1))).is_err());
    let endless = r#"{"type":"directory","entries":{"d":"#.repeat(100_000);
    assert!(lines(&document(&endless)).is_err());
}

#[test]
fn messages_name_the_fault() {
    let error = lines(&document(r#"{"type":"fifo"}"#)).unwrap_err();
    let expected = "`fifo` is not a type of entry at line 1 column 35";
    assert_eq!(error, expected);
}
