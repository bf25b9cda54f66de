//! Names, keys, and the language of Nix.

use serde_json::json;
use terrine_compress::Compression;
use terrine_oci::Platform;

use super::{FinalName, FinalTag, ImageName, Names, Prefetched, all, nix, one};
use crate::source::testing::{MemoryLayer, archive, image};
use crate::source::{Image, Opened};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn an_image_is_named_with_or_without_its_transport() {
    let pinned = format!("ghcr.io/acme/web@{DIGEST}");
    let both = format!("web:1@{DIGEST}");
    for (text, name, tag, reference) in [
        ("debian", "debian", "latest", "docker.io/library/debian"),
        ("debian:12", "debian", "12", "docker.io/library/debian:12"),
        ("docker:27", "docker", "27", "docker.io/library/docker:27"),
        (
            "docker://acme/web:1",
            "acme/web",
            "1",
            "docker.io/acme/web:1",
        ),
        (
            "localhost:5000/web",
            "localhost:5000/web",
            "latest",
            "localhost:5000/web",
        ),
        (&pinned, "ghcr.io/acme/web", "latest", &pinned),
        (&both, "web", "1", &format!("docker.io/library/{both}")),
    ] {
        let image: ImageName = text.parse().unwrap();
        assert_eq!((image.name(), image.tag()), (name, tag), "{text}");
        assert_eq!(
            image.reference().to_string(),
            format!("docker://{reference}")
        );
    }
}

#[test]
fn text_that_names_no_image_of_a_registry_is_refused() {
    for text in [
        "",
        "-",
        "docker://",
        "docker:/web",
        "oci:layout",
        "oci-archive:web.tar",
        "docker-archive:web.tar",
        "docker-daemon:web:1",
        "dir:web",
        "https://ghcr.io/acme/web",
        "./web.tar",
        "/web.tar",
        "Debian",
        "debian:-",
        "debian@sha256:12",
    ] {
        assert!(text.parse::<ImageName>().is_err(), "{text}");
    }
    for text in ["", "web:1", "Web", &format!("web@{DIGEST}"), "docker://web"] {
        assert!(text.parse::<FinalName>().is_err(), "{text}");
    }
    for text in ["", "-", "a b", "a/b", "a:b", &format!("a@{DIGEST}")] {
        assert!(text.parse::<FinalTag>().is_err(), "{text}");
    }
    assert!("localhost:5000/web".parse::<FinalName>().is_ok());
    assert!("1.2_a-b".parse::<FinalTag>().is_ok());
}

#[test]
fn strings_are_escaped_and_names_are_quoted_if_they_have_to_be() {
    for (text, expected) in [
        ("a", r#""a""#),
        (r#"a"b\c"#, r#""a\"b\\c""#),
        ("${a} $${b} $c $", r#""\${a} $\${b} $c $""#),
        ("a\nb\rc\td", r#""a\nb\rc\td""#),
    ] {
        assert_eq!(nix::string(text), expected);
    }
    for (name, expected) in [
        ("amd64", "amd64"),
        ("arm-v7", "arm-v7"),
        ("386", "\"386\""),
        ("", "\"\""),
        ("rec", "\"rec\""),
        ("a.b", "\"a.b\""),
        ("a${b}", "\"a\\${b}\""),
    ] {
        let text = nix::set([(name, "1".to_owned())]);
        assert_eq!(text, format!("{{\n  {expected} = 1;\n}}"));
    }
}

/// An image of one layer whose configuration names a platform.
fn sample(os: &str, architecture: &str, variant: Option<&str>) -> Image {
    let layer = MemoryLayer::new(&archive(&["a=1"]), Compression::None);
    image(vec![layer], |text| {
        text["os"] = json!(os);
        text["architecture"] = json!(architecture);
        text["variant"] = json!(variant);
    })
}

fn names(text: &str) -> Names {
    Names::new(&text.parse().unwrap(), None, None)
}

#[test]
fn arguments_that_every_machine_takes_anyway_are_left_out() {
    for (os, architecture, variant, expected) in [
        ("linux", "amd64", None, &["arch amd64"][..]),
        ("linux", "arm64", Some("v8"), &["arch arm64"]),
        ("linux", "arm", Some("v7"), &["arch arm", "variant v7"]),
        ("windows", "amd64", None, &["os windows", "arch amd64"]),
        ("", "", None, &[]),
    ] {
        let opened = Opened::Image(sample(os, architecture, variant));
        let wanted = Platform::new(os, architecture, variant);
        let arguments = names("web").arguments(&one(&opened, &wanted).unwrap());
        let fields = arguments.fields().into_iter();
        let fields: Vec<String> = fields
            .skip_while(|(name, _)| *name != "finalImageTag")
            .skip(1)
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(fields, expected, "{os}/{architecture}");
    }
}

#[test]
fn the_hash_depends_on_the_names_in_the_archive_alone() {
    let opened = Opened::Image(sample("linux", "amd64", None));
    let hash = |names: &Names| {
        let choice = one(&opened, &Platform::new("linux", "amd64", None)).unwrap();
        let hashed = names.hashed(&choice, choice.open().unwrap(), &());
        let fields = hashed.unwrap().fields().into_iter();
        let hash = fields.filter(|(name, _)| *name == "hash");
        hash.map(|(_, value)| value).collect::<String>()
    };
    let named = |image: &str, name: &str, tag: &str| {
        let (name, tag) = (name.parse().unwrap(), tag.parse().unwrap());
        Names::new(&image.parse().unwrap(), Some(&name), Some(&tag))
    };
    let usual = hash(&names("web:1"));
    assert_eq!(hash(&named("ghcr.io/acme/other", "web", "1")), usual);
    assert_ne!(hash(&named("web:1", "web", "2")), usual);
    // What Nix has recorded stays what it is.
    assert_eq!(usual, "sha256-GYZNyIJs8a3TvBaYHSI5SkjOSwtZXve1jQ1r3rK82Sg=");
}

#[test]
fn text_that_is_no_platform_is_refused() {
    for (os, architecture) in [("linux", "a\u{1b}[2J"), ("li\0nux", "amd64"), ("linux", "")] {
        let opened = Opened::Image(sample(os, architecture, None));
        assert!(all(&opened).is_err(), "{architecture:?}");
    }
    let opened = Opened::Image(sample("linux", "a\"${b}", None));
    let choices = all(&opened).unwrap().into_iter();
    let all = choices.map(|(key, choice)| (key, names("web").arguments(&choice)));
    let text = Prefetched::All(all.collect()).to_nix();
    assert!(
        text.contains("\n  \"a\\\"\\${b}\" = {\n    imageName = \"web\";\n"),
        "{text}"
    );
}
