//! Platforms in Go's terms, from what Nix and the container tools call them.

use super::error;
use crate::bindings::image::{Error, ErrorKind};

/// An architecture in Go's terms, with its variant where it has one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) architecture: &'static str,
    pub(super) variant: Option<String>,
    /// The operating system of the given name, if it is another one than Linux.
    pub(super) foreign_os: Option<String>,
}

/// Nix's cpu names: GOARCH and variant, with the cpus of the same
/// kinds that Nixpkgs leaves without a name.
const CPUS: &[(&str, &str, Option<&str>)] = &[
    ("x86_64", "amd64", None),
    ("i386", "386", None),
    ("i486", "386", None),
    ("i586", "386", None),
    ("i686", "386", None),
    ("aarch64", "arm64", None),
    ("arm", "arm", None),
    ("armv5tel", "arm", Some("v5")),
    ("armv6l", "arm", Some("v6")),
    ("armv7a", "arm", Some("v7")),
    ("armv7l", "arm", Some("v7")),
    ("mips", "mips", None),
    ("mipsel", "mipsle", None),
    ("mips64", "mips64", None),
    ("mips64el", "mips64le", None),
    ("powerpc64", "ppc64", None),
    ("powerpc64le", "ppc64le", None),
    ("riscv64", "riscv64", None),
    ("s390x", "s390x", None),
    ("loongarch64", "loong64", None),
    ("wasm32", "wasm", None),
];

/// Reads a platform: `x86_64-linux`, `armv7l`, `arm64`, `linux/arm/v7`; a variant
/// given apart from it wins.
///
/// # Errors
///
/// A cpu or an operating system that is not known, with those that are, and a
/// variant that the architecture does not have.
pub(super) fn parse(platform: &str, variant: Option<&str>) -> Result<Platform, Error> {
    let parsed = if platform.contains('/') {
        slashed(platform)?
    } else {
        dashed(platform)?
    };
    match variant.filter(|variant| !variant.is_empty()) {
        None => Ok(parsed),
        Some(variant) => Ok(Platform {
            variant: Some(check_variant(parsed.architecture, variant, "variant")?),
            ..parsed
        }),
    }
}

/// `[linux/]arch[/variant]`, as the container tools write it.
fn slashed(platform: &str) -> Result<Platform, Error> {
    let mut parts: Vec<&str> = platform.split('/').collect();
    if parts[0] == "linux" {
        parts.remove(0);
    }
    match parts[..] {
        [arch] => cpu(arch, platform),
        [arch, variant] => {
            let parsed = cpu(arch, platform)?;
            let variant = check_variant(parsed.architecture, variant, "platform")?;
            Ok(Platform {
                variant: Some(variant),
                ..parsed
            })
        }
        _ => Err(unknown(platform, platform)),
    }
}

/// A cpu alone, a Nix system (`cpu-os`), or a whole triple (`cpu-vendor-os-abi`).
fn dashed(platform: &str) -> Result<Platform, Error> {
    let (name, rest) = platform
        .split_once('-')
        .map_or((platform, None), |(name, rest)| (name, Some(rest)));
    let mut parsed = cpu(name, platform)?;
    let Some(rest) = rest else { return Ok(parsed) };
    let is = |os: &str| rest.split('-').any(|part| part.starts_with(os));
    if is("linux") {
        return Ok(parsed);
    }
    if is("darwin") {
        parsed.foreign_os = Some("darwin".to_owned());
        return Ok(parsed);
    }
    Err(error(
        ErrorKind::UnknownPlatform,
        "platform",
        format!("`{rest}` in `{platform}` is not a known system"),
    )
    .with_hint("images are made for Linux: `x86_64-linux`, `aarch64-linux`"))
}

fn cpu(name: &str, platform: &str) -> Result<Platform, Error> {
    let known = CPUS.iter().find(|(cpu, ..)| *cpu == name);
    let known = known.map(|&(_, architecture, variant)| (architecture, variant));
    let in_go = || {
        CPUS.iter()
            .find(|(_, arch, _)| *arch == name)
            .map(|&(_, arch, _)| (arch, None))
    };
    let (architecture, variant) = known
        .or_else(in_go)
        .ok_or_else(|| unknown(name, platform))?;
    Ok(Platform {
        architecture,
        variant: variant.map(str::to_owned),
        foreign_os: None,
    })
}

/// Checks a variant against those that the architecture has.
fn check_variant(architecture: &str, variant: &str, field: &str) -> Result<String, Error> {
    let version = variant.strip_prefix('v').unwrap_or(variant);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let major_minor = match version.split_once('.') {
        Some((major, minor)) => number(major) && number(minor),
        None => number(version),
    };
    let fits = match architecture {
        "arm" => matches!(variant, "v5" | "v6" | "v7" | "v8"),
        "arm64" => major_minor && (variant.starts_with("v8") || variant.starts_with("v9")),
        "amd64" => matches!(variant, "v1" | "v2" | "v3" | "v4"),
        _ => {
            !variant.is_empty()
                && variant
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        }
    };
    if fits {
        return Ok(variant.to_owned());
    }
    Err(error(
        ErrorKind::UnknownPlatform,
        field,
        format!("`{architecture}` has no variant `{variant}`"),
    )
    .with_hint("variants look like `v7` for arm, `v8` for arm64 and `v3` for amd64"))
}

fn unknown(name: &str, platform: &str) -> Error {
    let mut cpus: Vec<&str> = CPUS.iter().map(|(cpu, ..)| *cpu).collect();
    let mut archs: Vec<&str> = CPUS.iter().map(|(_, arch, _)| *arch).collect();
    cpus.sort_unstable();
    archs.sort_unstable();
    archs.dedup();
    let whole = if name == platform {
        String::new()
    } else {
        format!(" in `{platform}`")
    };
    error(
        ErrorKind::UnknownPlatform,
        "platform",
        format!("`{name}`{whole} is not a known cpu"),
    )
    .with_hint(format!(
        "the cpus are {}; or, in Go's terms, {}",
        cpus.join(", "),
        archs.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(
        platform: &str,
        variant: Option<&str>,
    ) -> Result<(&'static str, Option<String>), String> {
        parse(platform, variant)
            .map(|p| (p.architecture, p.variant))
            .map_err(|error| error.message)
    }

    #[test]
    fn systems_cpus_and_gos_own_names_are_known() {
        let table = [
            ("x86_64-linux", "amd64", None),
            ("i686-linux", "386", None),
            ("aarch64-linux", "arm64", None),
            ("arm", "arm", None),
            ("armv5tel-linux", "arm", Some("v5")),
            ("armv6l-linux", "arm", Some("v6")),
            ("armv7l-linux", "arm", Some("v7")),
            ("mipsel-linux", "mipsle", None),
            ("mips64el-linux", "mips64le", None),
            ("powerpc64le-linux", "ppc64le", None),
            ("riscv64-linux", "riscv64", None),
            ("s390x-linux", "s390x", None),
            ("loongarch64-linux", "loong64", None),
            ("wasm32", "wasm", None),
            ("amd64", "amd64", None),
            ("386", "386", None),
            ("ppc64le", "ppc64le", None),
            ("aarch64-unknown-linux-gnu", "arm64", None),
            ("armv7l-unknown-linux-gnueabihf", "arm", Some("v7")),
            ("linux/arm/v7", "arm", Some("v7")),
            ("linux/arm64", "arm64", None),
            ("arm64/v8", "arm64", Some("v8")),
        ];
        for (platform, architecture, variant) in table {
            assert_eq!(
                short(platform, None),
                Ok((architecture, variant.map(str::to_owned))),
                "{platform}"
            );
        }
    }

    #[test]
    fn a_variant_given_apart_wins_and_an_empty_one_is_none() {
        assert_eq!(
            short("armv6l-linux", Some("v7")),
            Ok(("arm", Some("v7".to_owned())))
        );
        assert_eq!(
            short("armv6l-linux", Some("")),
            Ok(("arm", Some("v6".to_owned())))
        );
        assert_eq!(short("amd64", Some("")), Ok(("amd64", None)));
        assert_eq!(
            short("arm64", Some("v8.2")),
            Ok(("arm64", Some("v8.2".to_owned())))
        );
        assert_eq!(
            short("amd64", Some("v7")),
            Err("`amd64` has no variant `v7`".to_owned())
        );
        assert_eq!(
            short("arm64", Some("v8.")),
            Err("`arm64` has no variant `v8.`".to_owned())
        );
    }

    #[test]
    fn another_system_is_told_apart() {
        assert_eq!(parse("x86_64-linux", None).unwrap().foreign_os, None);
        assert_eq!(
            parse("aarch64-darwin", None).unwrap().foreign_os.as_deref(),
            Some("darwin")
        );
        assert_eq!(
            short("x86_64-windows", None),
            Err("`windows` in `x86_64-windows` is not a known system".to_owned())
        );
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is() {
        for (platform, message) in [
            ("vax-linux", "`vax` in `vax-linux` is not a known cpu"),
            ("riscv32", "`riscv32` is not a known cpu"),
            ("", "`` is not a known cpu"),
            ("X86_64", "`X86_64` is not a known cpu"),
            (
                "windows/amd64",
                "`windows` in `windows/amd64` is not a known cpu",
            ),
        ] {
            assert_eq!(short(platform, None), Err(message.to_owned()));
        }
        let hint = parse("vax", None).unwrap_err().hint.unwrap();
        assert!(
            hint.contains("x86_64") && hint.contains("ppc64le"),
            "{hint}"
        );
    }
}
