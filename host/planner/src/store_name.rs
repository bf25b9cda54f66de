//! The name of a store path and its package, in the contract's sense.

use super::layering;

/// Characters of the hash in a store path's name.
const HASH: usize = 32;

/// A store path as the contract has it. `references` are indices into the request's
/// paths.
pub fn store_path(path: &str, size: u64, references: Vec<u32>) -> layering::StorePath {
    let name = name(path);
    layering::StorePath {
        path: path.to_owned(),
        name: name.to_owned(),
        package: package(name).to_owned(),
        size,
        references,
    }
}

/// The last component of a path without its hash.
pub fn name(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    match last.split_once('-') {
        Some((hash, name))
            if hash.len() == HASH && hash.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            name
        }
        _ => last,
    }
}

/// Returns true if a store path's name carries a hash, so that it always has the same content.
pub fn is_hashed(path: &str) -> bool {
    path.rsplit('/').next() != Some(name(path))
}

/// A name without its version, which starts after the first dash that no letter follows:
/// Nix's own rule.
fn package(name: &str) -> &str {
    name.match_indices('-')
        .find(|(i, _)| {
            name[i + 1..]
                .chars()
                .next()
                .is_some_and(|c| !c.is_alphabetic())
        })
        .map_or(name, |(i, _)| &name[..i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_follows_the_hash() {
        assert_eq!(
            name("/nix/store/6xg259477c90a229xwmb53pdfkn6ig3g-hello-2.12.1"),
            "hello-2.12.1"
        );
        assert_eq!(name("/nix/store/hello-2.12.1"), "hello-2.12.1");
        assert_eq!(name("/srv/site"), "site");
    }

    #[test]
    fn a_package_is_a_name_without_its_version() {
        for (name, expected) in [
            ("hello-2.12.1", "hello"),
            ("python3.11-numpy-1.26.4", "python3.11-numpy"),
            ("glibc-2.39-52-bin", "glibc"),
            ("no-version", "no-version"),
            ("trailing-", "trailing-"),
            ("", ""),
        ] {
            assert_eq!(package(name), expected, "{name}");
        }
    }
}
