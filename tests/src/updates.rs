//! Recorded sequences of closures, for `terrine replay`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A name with a hash that is one character, repeated.
pub fn hashed(hash: &str, name: &str) -> String {
    format!("/nix/store/{}-{name}", hash.repeat(32))
}

/// A sequence of three steps: an application is updated, then its library, which rebuilds it.
pub fn sequence() -> Value {
    let path = |hash: &str, name: &str, size: u64, references: &[u64]| json!({"path": hashed(hash, name), "narSize": size, "references": references});
    json!({
        "name": "web",
        "paths": [
            path("a", "libc-2.38", 1_000_000, &[]),
            path("b", "ssl-3.0", 300_000, &[0]),
            path("c", "web-1.0", 20_000, &[0, 1]),
            path("d", "web-1.1", 21_000, &[0, 1]),
            path("e", "ssl-3.1", 310_000, &[0]),
            path("f", "web-1.1", 21_000, &[0, 4]),
        ],
        "steps": [
            {"date": "2024-01-01", "paths": [0, 1, 2]},
            {"date": "2024-01-08", "paths": [0, 1, 3]},
            {"date": "2024-01-15", "paths": [0, 4, 5]},
            {"date": "2024-01-22", "paths": [0, 4, 5]},
        ],
    })
}

/// Writes a sequence to a folder.
pub fn write(folder: &Path, name: &str, sequence: &Value) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, sequence.to_string()).unwrap();
    file
}
