//! Files that images need at their roots and that packages do not bring.

use super::{Certificates, Error, File, New, Origin, Root};

/// The rules that `login` and its like read where nothing else is configured (`/etc/pam.d/other`).
const PAM: &str = "account sufficient pam_unix.so
auth sufficient pam_rootok.so
password requisite pam_unix.so nullok yescrypt
session required pam_unix.so
";

/// Adds `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf` with `root`, `nobody` and
/// the users and groups given, and `/var/empty`, which is root's home.
///
/// # Errors
///
/// A line that is none of its file, and a path that something else has.
pub fn fake_nss(root: &mut Root, passwd: &[String], group: &[String]) -> Result<(), Error> {
    let origin = Origin::Helper("fakeNss");
    let passwd = table(
        "root:x:0:0:root user:/var/empty:/bin/sh",
        passwd,
        "nobody:x:65534:65534:nobody:/var/empty:/bin/sh",
        File::Passwd,
    )?;
    let group = table("root:x:0:", group, "nobody:x:65534:", File::Group)?;
    root.add("/etc/passwd", New::file(passwd), origin.clone())?;
    root.add("/etc/group", New::file(group), origin.clone())?;
    root.add(
        "/etc/nsswitch.conf",
        New::file("hosts: files dns\n"),
        origin.clone(),
    )?;
    root.add("/var/empty", New::directory(), origin)
}

fn table(first: &str, extra: &[String], last: &str, file: File) -> Result<String, Error> {
    let mut text = format!("{first}\n");
    for line in extra {
        check_line(line, file)?;
        text.push_str(line);
        text.push('\n');
    }
    Ok(text + last + "\n")
}

/// Checks a line that others are going to read field by field.
fn check_line(line: &str, file: File) -> Result<(), Error> {
    let error = |why| {
        Err(Error::Line {
            line: line.escape_default().to_string(),
            file,
            why,
        })
    };
    let fields: Vec<&str> = line.split(':').collect();
    let (count, numbers) = match file {
        File::Passwd => (7, &[2, 3][..]),
        File::Group => (4, &[2][..]),
    };
    if line.contains(['\n', '\r', '\0']) {
        return error("it contains a line break or a NUL");
    }
    if fields.len() != count {
        return error("it has the wrong number of fields");
    }
    if fields[0].is_empty() {
        return error("it has no name");
    }
    // Rust would take a sign as well.
    if numbers
        .iter()
        .all(|&field| !fields[field].starts_with('+') && fields[field].parse::<u32>().is_ok())
    {
        Ok(())
    } else {
        error("an id is not a number")
    }
}

/// Adds `/bin/sh`, a link.
///
/// # Errors
///
/// A path that something else has.
pub fn bin_sh(root: &mut Root, target: &str) -> Result<(), Error> {
    root.add("/bin/sh", New::symlink(target), Origin::Helper("binSh"))
}

/// Adds `/usr/bin/env`, a link.
///
/// # Errors
///
/// A path that something else has.
pub fn usr_bin_env(root: &mut Root, target: &str) -> Result<(), Error> {
    root.add(
        "/usr/bin/env",
        New::symlink(target),
        Origin::Helper("usrBinEnv"),
    )
}

/// Adds `/tmp`, where everyone may write and nobody may remove what is another's.
///
/// # Errors
///
/// A path that something else has.
pub fn tmp(root: &mut Root) -> Result<(), Error> {
    root.add("/tmp", New::directory().mode(0o1777), Origin::Helper("tmp"))
}

/// Adds what the shadow tools need to make users and groups. Passwords, of which there
/// are none, are for root alone to read.
///
/// # Errors
///
/// A path that something else has.
pub fn shadow_setup(root: &mut Root) -> Result<(), Error> {
    for (path, new) in [
        ("/etc/passwd", New::file("root:x:0:0::/root:/bin/sh\n")),
        ("/etc/shadow", New::file("root:!x:::::::\n").mode(0o600)),
        ("/etc/group", New::file("root:x:0:\n")),
        ("/etc/gshadow", New::file("root:x::\n").mode(0o600)),
        ("/etc/pam.d/other", New::file(PAM)),
        ("/etc/login.defs", New::file("")),
        ("/root", New::directory().mode(0o700)),
    ] {
        root.add(path, new, Origin::Helper("shadowSetup"))?;
    }
    Ok(())
}

/// Adds certificates in the three places where programs look for them.
///
/// # Errors
///
/// A bundle that is none, and a path that something else has.
pub fn ca_certificates(root: &mut Root, certificates: &Certificates) -> Result<(), Error> {
    let origin = Origin::Helper("caCertificates");
    root.add(
        "/etc/ssl/certs/ca-bundle.crt",
        certificates.entry()?,
        origin.clone(),
    )?;
    // Relative, so that they lead there wherever the root is mounted.
    root.add(
        "/etc/ssl/certs/ca-certificates.crt",
        New::symlink("ca-bundle.crt"),
        origin.clone(),
    )?;
    let other = New::symlink("../../../ssl/certs/ca-bundle.crt");
    root.add("/etc/pki/tls/certs/ca-bundle.crt", other, origin)
}

#[cfg(test)]
mod tests {
    use terrine_support::hint::Hint;

    use super::super::{Data, Resolved};
    use super::*;

    fn content(root: &Root, path: &str) -> String {
        match root.get(path.as_bytes()).map(|entry| entry.data) {
            Some(Data::Inline(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn users_and_groups_are_those_of_docker_tools_and_the_callers() {
        let mut root = Root::new();
        let passwd = "app:x:1000:1000:app:/home/app:/bin/sh".to_owned();
        fake_nss(&mut root, &[passwd], &["app:x:1000:a,b".to_owned()]).unwrap();
        assert_eq!(
            content(&root, "/etc/passwd"),
            "root:x:0:0:root user:/var/empty:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/sh\n"
        );
        assert_eq!(
            content(&root, "/etc/group"),
            "root:x:0:\napp:x:1000:a,b\nnobody:x:65534:\n"
        );
        assert_eq!(content(&root, "/etc/nsswitch.conf"), "hosts: files dns\n");
        assert!(root.get(b"/var/empty").is_some());
    }

    #[test]
    fn lines_that_would_break_their_files_are_refused() {
        for (line, why) in [
            ("app", "it has the wrong number of fields"),
            (
                "app:x:1:1:::\nroot::0:0:::",
                "it contains a line break or a NUL",
            ),
            (":x:1:1:a:b:c", "it has no name"),
            ("app:x:one:1:a:b:c", "an id is not a number"),
            ("app:x:1:-1:a:b:c", "an id is not a number"),
        ] {
            let error = fake_nss(&mut Root::new(), &[line.to_owned()], &[]).unwrap_err();
            let shown = line.escape_default();
            assert_eq!(
                error.to_string(),
                format!("`{shown}` is not a line of `/etc/passwd`: {why}")
            );
            assert!(error.hint().is_some());
        }
        let error = fake_nss(&mut Root::new(), &[], &["app:x:1".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`app:x:1` is not a line of `/etc/group`: it has the wrong number of fields"
        );
    }

    #[test]
    fn helpers_that_have_a_path_in_common_name_each_other() {
        let mut root = Root::new();
        fake_nss(&mut root, &[], &[]).unwrap();
        let error = shadow_setup(&mut root).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/etc/passwd` comes from both `fakeNss` and `shadowSetup`"
        );
    }

    #[test]
    fn certificates_are_found_in_each_of_their_places() {
        let mut root = Root::new();
        ca_certificates(&mut root, &Certificates::Mozilla).unwrap();
        for place in [
            "ssl/certs/ca-bundle.crt",
            "ssl/certs/ca-certificates.crt",
            "pki/tls/certs/ca-bundle.crt",
        ] {
            match root.resolve(format!("/etc/{place}").as_bytes()) {
                Resolved::Here(entry) => {
                    assert_eq!(entry.path, b"/etc/ssl/certs/ca-bundle.crt", "{place}");
                }
                other => panic!("{place}: {other:?}"),
            }
        }
        let bundle = content(&root, "/etc/ssl/certs/ca-bundle.crt");
        assert!(bundle.matches("-----BEGIN CERTIFICATE-----").count() > 100);
    }

    #[test]
    fn modes_are_those_that_the_files_need() {
        let mut root = Root::new();
        shadow_setup(&mut root).unwrap();
        tmp(&mut root).unwrap();
        let mode = |path: &str| root.get(path.as_bytes()).map(|entry| entry.mode);
        assert_eq!(mode("/tmp"), Some(0o1777));
        assert_eq!(
            (mode("/etc/shadow"), mode("/etc/passwd")),
            (Some(0o600), Some(0o644))
        );
        assert_eq!((mode("/root"), mode("/etc")), (Some(0o700), Some(0o755)));
    }
}
