//! Packages of Debian, with their maintainers' scripts, on a base image.

use std::fs;

use terrine_tests::base::BaseImage;
use terrine_tests::{Archive, TestStore, debian};

use super::{Bench, Value, json, runs};

/// Packages that make a user, a group, a program that has the rights of the group, and a directory
/// that is the group's.
const PACKAGES: [&str; 3] = ["cron", "cron-daemon-common", "dbus-system-bus-common"];

/// The script by which the image tells of them.
const TELL: &str = "
    getent passwd messagebus | cut -d: -f1,3,4
    getent group crontab | cut -d: -f1,3
    stat -c '%a %U %G' /usr/bin/crontab /var/spool/cron/crontabs /etc/shadow
    dpkg --verify cron cron-daemon-common dbus-system-bus-common
    dpkg --audit
    ls /debs 2>/dev/null
    ls -A /dev /proc/1 > /dev/null && echo whole";

fn base(packages: &str) -> Option<(TestStore, Value)> {
    let root = fs::read(debian::archive(packages)?).unwrap();
    let store = TestStore::default();
    let image = BaseImage::old(&[&root], &["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
    let file = image.write(&store);
    Some((store, json!(file)))
}

#[test]
fn debian_packages_are_installed() {
    let Some(packages) = debian::packages(&PACKAGES) else {
        return;
    };
    let Some((_store, base)) = base("adduser,sensible-utils") else {
        return;
    };
    let bench = Bench::new();
    let debs = bench.path().join("more/debs");
    fs::create_dir_all(&debs).unwrap();
    for entry in fs::read_dir(packages).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), debs.join(entry.file_name())).unwrap();
    }
    let spec = bench.write(
        "packages",
        &json!({
            "fromImage": base,
            "copyToRoot": ["./more"],
            // The base has no documents, and says so to dpkg. One of the packages is needed before
            // another is unpacked.
            "runAsRoot": "
                rm /etc/dpkg/dpkg.cfg.d/99mmdebstrap
                export DEBIAN_FRONTEND=noninteractive
                dpkg -i /debs/cron-daemon-common_*.deb
                dpkg -i /debs/*.deb
                rm -rf /debs /var/log/* /var/cache/ldconfig/aux-cache",
            "config": {"Cmd": ["/bin/sh", "-c", TELL], "User": "0"},
        }),
    );
    let image = bench.at(&spec, &["real", "single", "range"]);
    let names = super::entries(&image);
    for gone in ["debs", "dev", "proc", ".terrine"] {
        let is_there = |name: &String| name.split('/').nth(1) == Some(gone);
        assert!(!names.iter().any(is_there), "{names:?}");
    }
    // Nothing of the base is left in it.
    let whiteout = "etc/dpkg/dpkg.cfg.d/.wh..wh..opq";
    assert!(
        names.iter().any(|name| name.contains(whiteout)),
        "{names:?}"
    );
    assert_eq!(Archive::read(image.clone()).layers().len(), 2);
    runs(
        &image,
        "messagebus:100:102\ncrontab:101\n2755 root crontab\n1730 root crontab\n640 root shadow\nwhole\n",
    );
}
