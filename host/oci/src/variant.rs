//! Architectures and their variants: other names of them, and which variant runs what.

/// Other names of architectures, and the variants that they stand for.
const ALIASES: &[(&str, &str, &str)] = &[
    ("x86_64", "amd64", ""),
    ("x86-64", "amd64", ""),
    ("aarch64", "arm64", ""),
    ("armhf", "arm", "v7"),
    ("armv7l", "arm", "v7"),
    ("armel", "arm", "v6"),
    ("armv6l", "arm", "v6"),
    ("i386", "386", ""),
    ("i486", "386", ""),
    ("i586", "386", ""),
    ("i686", "386", ""),
    ("powerpc64le", "ppc64le", ""),
    ("ppc64el", "ppc64le", ""),
    ("loongarch64", "loong64", ""),
];

/// Architectures that stand for a platform by themselves, as Go calls them.
const KNOWN: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x",
];

/// Returns true for the name of an architecture that is known, or another name of one.
pub(super) fn is_known(architecture: &str) -> bool {
    let (architecture, _) = normalized(architecture, None);
    KNOWN.contains(&architecture.as_str())
}

/// Returns an architecture and its variant in Go's terms. The variant that is meant without one is left out,
/// but for `arm`.
pub(super) fn normalized(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.unwrap_or_default().to_owned();
    let alias = ALIASES.iter().find(|(name, ..)| *name == architecture);
    let (architecture, variant) = match alias {
        Some((_, known, own)) if variant.is_empty() => ((*known).to_owned(), (*own).to_owned()),
        Some((_, known, _)) => ((*known).to_owned(), variant),
        None => (architecture, variant),
    };
    let variant = written(&architecture, &variant);
    let variant = match (architecture.as_str(), variant.as_str()) {
        ("arm", "") => "v7".to_owned(),
        ("arm64", "v8" | "v8.0") | ("amd64", "v1") | ("386", _) => String::new(),
        ("arm64", "v9.0") => "v9".to_owned(),
        _ => variant,
    };
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    (architecture, variant)
}

/// Returns a variant as it is written with an architecture: `v7` for `7` and `V7`.
pub(super) fn written(architecture: &str, variant: &str) -> String {
    let variant = variant.to_ascii_lowercase();
    let is_number = variant.starts_with(|c: char| c.is_ascii_digit());
    if is_number && is_ordered(architecture) {
        format!("v{variant}")
    } else {
        variant
    }
}

/// Reports whether the order of an architecture's variants is known.
pub(super) fn is_ordered(architecture: &str) -> bool {
    matches!(architecture, "amd64" | "arm" | "arm64")
}

/// Returns the variants whose images run on a variant, the best first. Both are normalized; an empty text is an
/// architecture without a variant.
pub(super) fn accepted(architecture: &str, variant: Option<&str>) -> Vec<String> {
    let variant = variant.unwrap_or_default();
    let number = |text: &str| {
        text.strip_prefix('v')?
            .parse::<u32>()
            .ok()
            .filter(|n| *n < 100)
    };
    let mut accepted = vec![variant.to_owned()];
    match architecture {
        "amd64" => {
            let below = (2..number(variant).unwrap_or_default()).rev();
            accepted.extend(below.map(|number| format!("v{number}")));
            if number(variant).is_some() {
                accepted.push(String::new());
            }
        }
        "arm" => {
            let below = (5..number(variant).unwrap_or_default()).rev();
            accepted.extend(below.map(|number| format!("v{number}")));
        }
        "arm64" => accepted.extend(below_arm64(variant)),
        _ => {}
    }
    accepted
}

/// Returns the variants of `arm64` that another one runs. Version 9.0 has what 8.5 has.
fn below_arm64(variant: &str) -> Vec<String> {
    let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
    let Ok(minor) = minor.parse::<u32>() else {
        return vec![];
    };
    let name = |major: u32, minor: u32| match (major, minor) {
        (8, 0) => String::new(),
        (major, 0) => format!("v{major}"),
        (major, minor) => format!("v{major}.{minor}"),
    };
    let minor = minor.min(9);
    let eighth = |below: u32| (0..below).rev().map(move |minor| name(8, minor));
    match major {
        "v8" => eighth(minor).collect(),
        "v9" => {
            let ninth = (0..minor).rev().map(|minor| name(9, minor));
            ninth.chain(eighth((minor + 6).min(10))).collect()
        }
        _ => vec![],
    }
}
