//! Closures: graphs in each of their forms, registrations, and texts that mention store paths.

use std::fmt::Write as _;

use terrine::closure::{self, Graph, Registration, Registrations};
use terrine::store_database;

use crate::format::Format;
use crate::{Limit, Target, scratch};

const STORE: &str = "/nix/store";
const A: &str = "/nix/store/czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0";
const B: &str = "/nix/store/szib0aj2ipf0lhdd1na5jf41480mqbdk-b";

const WORDS: &[&str] = &[
    A,
    B,
    "czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0",
    "/nix/store",
    "/nix/store/",
    "path",
    "narSize",
    "references",
    "narHash",
    "signatures",
    "ca",
    "valid",
    "graph",
    "info",
    "storeDir",
    "keyName",
    "sig",
    "method",
    "hash",
    "algorithm",
    "flat",
    "nar",
    "text",
    "git",
    "key:sig",
    "fixed:r:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
    "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
    "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "\n0\n",
    "\n\n0\n",
    "Derive([(\"out\",\"",
];

pub(super) const TARGET: Target = Target {
    name: "closures",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 10_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"[{"path":"$A","narSize":120,"references":[],"narHash":"sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic","signatures":["k:s"]},
           {"path":"$B","narSize":504,"references":["$B","$A"],"ca":"fixed:r:sha256:x"}]"#,
        r#"{"graph":[{"path":"$A","narSize":120,"references":["$A"]}],"other":[1]}"#,
        r#"{"$A":{"narSize":null,"references":[]},"$B":{"references":["$A"],"valid":true,"narHash":"sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}}"#,
        r#"{"version":2,"storeDir":"/nix/store","info":{"$a":{"narSize":1,"references":["$a"],"signatures":[{"keyName":"k","sig":"s"}],
           "ca":{"method":"nar","hash":{"algorithm":"sha256","hash":"094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic"}}}}}"#,
        "$A\n2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n120\n$A.drv\n0\n$B\nsha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic\n504\n\n2\n$A\n$B\n",
        "$A\n\n0\n$B\n\n1\n$A\n",
        r#"Derive([("dev","$A","",""),("out","$B","r:sha256","x")],[],["$A"],"x86_64-linux""#,
        "text with $A/bin/sh and $B.",
    ];
    let fill = |text: &str| {
        text.replace("$A", A)
            .replace("$B", B)
            .replace("$a", "czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0")
            .into_bytes()
    };
    texts.into_iter().map(fill).collect()
}

fn run(data: &[u8]) -> bool {
    if let Ok(outputs) = store_database::outputs("x.drv", data) {
        assert!(outputs.values().all(|path| !path.is_empty()));
    }
    let parsed = closure::parse(data, STORE);
    let file = scratch::file(data);
    let registered = closure::read_registered(&scratch::path(&file), STORE);
    mentions(data, parsed.as_ref().ok());
    let Ok(graph) = parsed else {
        assert!(
            registered.is_err(),
            "read with registrations, and not without"
        );
        return false;
    };
    check(&graph);
    if graph.nodes().is_empty() {
        // Which no text is.
        return true;
    }
    let plain = text(&graph, None);
    assert_eq!(
        closure::parse(plain.as_bytes(), STORE).as_ref(),
        Ok(&graph),
        "written and read again:\n{plain}"
    );
    let Ok((same, registrations)) = registered else {
        // What is said beside the graph is wrong.
        return true;
    };
    assert_eq!(same, graph, "read with registrations");
    registered_again(&graph, &registrations);
    true
}

/// Checks that a graph is sorted, closed, and of the store.
fn check(graph: &Graph) {
    let nodes = graph.nodes();
    assert!(
        nodes.windows(2).all(|pair| pair[0].path < pair[1].path),
        "sorted, each once"
    );
    for node in nodes {
        let name = node
            .path
            .strip_prefix("/nix/store/")
            .expect("a path of the store");
        assert!(
            !name.is_empty() && !name.contains(['/', '\n', '\0']),
            "{name:?}"
        );
        assert!(
            node.references.windows(2).all(|pair| pair[0] < pair[1]),
            "ascending, each once"
        );
        assert!(
            node.references.iter().all(|&index| index < nodes.len()),
            "closed"
        );
        assert!(i64::try_from(node.size).is_ok());
    }
}

/// Writes a graph as a registration, with the hashes of these registrations.
fn text(graph: &Graph, registrations: Option<&Registrations>) -> String {
    let mut text = String::new();
    for node in graph.nodes() {
        let hash = registrations.and_then(|all| all.get(&node.path)?.nar_hash);
        // A size stands after a hash alone, which no graph keeps.
        let hash = hash.map_or_else(|| "unknown".to_owned(), |hash| hash.to_string());
        let _ = writeln!(
            text,
            "{}\n{hash}\n{}\n\n{}",
            node.path,
            node.size,
            node.references.len()
        );
        for &reference in &node.references {
            let _ = writeln!(text, "{}", graph.nodes()[reference].path);
        }
    }
    text
}

/// Checks that what is registered of paths goes into a database and comes out of it as the same.
fn registered_again(graph: &Graph, registrations: &Registrations) {
    if registrations
        .values()
        .all(|registration| registration.nar_hash.is_some())
    {
        let text = text(graph, Some(registrations));
        let file = scratch::file(text.as_bytes());
        let (again, read) = closure::read_registered(&scratch::path(&file), STORE)
            .expect("what is written is read");
        assert_eq!(&again, graph, "with registrations:\n{text}");
        for (path, registration) in &read {
            assert_eq!(registration.nar_hash, registrations[path].nar_hash);
        }
    }
    for (path, registration) in registrations {
        let signatures: Vec<&str> = registration.signatures.iter().map(String::as_str).collect();
        let columns = Registration::of_columns(
            path,
            registration.nar_hash.map(|hash| hash.to_string()),
            Some(signatures.join(" ")),
            registration.content_address.clone(),
        );
        let expected = Registration {
            nar_size: None,
            ..registration.clone()
        };
        assert_eq!(columns.as_ref(), Ok(&expected), "as columns of a database");
    }
}

/// Looks for store paths in a text: known ones are those of the graph.
fn mentions(data: &[u8], graph: Option<&Graph>) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let empty = Graph::default();
    let graph = graph.unwrap_or(&empty);
    let found = closure::mentions(text, STORE, graph).expect("a graph in memory");
    assert!(
        found
            .known
            .iter()
            .all(|path| graph.find(path).is_some() && text.contains(path.as_str()))
    );
    assert!(
        found
            .unknown
            .iter()
            .all(|path| graph.find(path).is_none() && text.contains(path.as_str()))
    );
}
