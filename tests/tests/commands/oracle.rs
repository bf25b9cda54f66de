//! The files that commands leave, checked against fakeroot and GNU tar, and against true root.

use std::fs;
use std::process::Command;

use rustix::process::geteuid;
use terrine_tests::{Run, peer};

use super::place::{self, Bench, SINGLE};
use super::{With, entries, same_layers, spec, top};

/// GNU tar as dockerTools calls it.
const TAR: &str = "tar --format=gnu --sort=name --numeric-owner --mtime=@315532800 \
                   --hard-dereference -cf";

/// A script of what fakeroot and the kernel both do, by any shell and any tools.
const SCRIPT: &str = "
mkdir -p home/alice/.config var/lib/web etc bin
echo a > home/alice/.config/a; echo b > home/alice/b; ln -s b home/alice/l
chown -R 1000:1000 home/alice; chown -h 7:8 home/alice/l; chown 9:10 home/alice/l
mkdir nodes; mknod nodes/null c 1 3; mknod -m 600 nodes/sda b 8 0; mkfifo nodes/pipe
chown 0:6 nodes/sda; chown 3:4 nodes/pipe; cp -a nodes nodes2; cp -a home/alice var/alice
echo x > bin/su; chmod 4755 bin/su; echo y >> bin/su; echo x > bin/wall; chown 0:5 bin/wall; chmod 2755 bin/wall
mkdir -p tmp; chmod 1777 tmp; mkdir t; (cd home && tar -cf - alice) | (cd t && tar -xpf - alice/b)
echo l > hard1; chown 21:22 hard1; ln hard1 hard2; ln hard2 t/hard3; chmod 711 t/hard3
i=0; while [ $i -lt 100 ]; do echo $i > r$i; chown $i:$i r$i; rm r$i; i=$((i+1)); done
i=0; while [ $i -lt 30 ]; do echo $i > n$i; i=$((i+1)); done; stat -c '%n %u:%g' n[0-9]* > owners
(umask 077; echo s > secret; mkdir secrets); (umask 0; echo o > open; mkdir opens)
echo n > none; chmod 000 none; mkdir closed; echo c > closed/c; chmod 000 closed/c closed
mkdir 'with space'; echo 1 > 'with space/new
line'; printf x > \"$(printf 'bytes\\377\\376')\"; chown 5:5 \"$(printf 'bytes\\377\\376')\"
d=deep; i=0; while [ $i -lt 40 ]; do d=$d/dddddddd; i=$((i+1)); done; mkdir -p $d; echo deep > $d/f
chown -R 66:67 deep; mv var/alice var/moved; stat -c '%n %u:%g %a' var/moved/b bin/* >> owners
echo body > big; chown 4294967294:4294967294 big; chown :55 none; chown 44 none
";

#[test]
fn fakeroot_and_tar_make_the_same_layer() {
    let Some(bench) = Bench::new() else { return };
    let (Some(fakeroot), Some(_)) = (peer::find("fakeroot"), peer::find("tar")) else {
        return;
    };
    let tree = bench.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let script = format!("umask 022; {SCRIPT}\nchmod 755 .; {TAR} ../layer.tar .");
    let mut command = Command::new(fakeroot);
    command.args(["--", "bash", "-e", "-o", "pipefail", "-c", &script]);
    Run::of(command.current_dir(&tree).env("LC_ALL", "C")).ok();
    let theirs = fs::read(bench.path().join("layer.tar")).unwrap();
    let ours = top(&bench
        .build(&spec(&bench, "fakeRootCommands", SCRIPT), SINGLE)
        .ok());
    same_layers(&theirs, &ours, "fakeroot");
}

#[test]
fn true_root_makes_the_same_layer() {
    if !geteuid().is_root() {
        return peer::missing("only root is true root");
    }
    let Some(bench) = Bench::new() else { return };
    let (Some(root), Some(_)) = (
        bench.dynamic(&[
            "bash", "cat", "chmod", "chown", "cp", "ln", "mkdir", "mkfifo", "mknod", "mv", "rm",
            "setpriv", "stat", "tar",
        ]),
        peer::find("unshare"),
    ) else {
        return;
    };
    // What true root may do that commands may not is left out: devices that can be opened.
    let script = format!(
        "{SCRIPT}\nsetpriv --reuid 33 --regid 44 --clear-groups \
        bash -c 'umask 022; echo x > tmp/web; mkdir tmp/d; ln -s web tmp/l; chmod 4750 tmp/web'\n\
        mkdir -m 2775 shared; chown 0:77 shared; chmod 2775 shared; mkdir shared/d; echo > shared/d/f"
    );
    let tree = bench.path().join("theirs");
    let run = |program: &str, words: &[&str]| Run::of(Command::new(program).args(words)).ok();
    let (from, to) = (root.to_str().unwrap(), tree.to_str().unwrap());
    run("cp", &["-a", from, to]);
    // As the machine of dockerTools, which takes away what it gave.
    let outer = format!(
        "mkdir {to}/dev {to}/proc && mount -t tmpfs none {to}/dev && touch {to}/dev/null && \
         mount --bind /dev/null {to}/dev/null && mount --bind /proc {to}/proc && env -i PATH=/bin LC_ALL=C $(command -v chroot) {to} \
         /bin/bash -e -c 'umask 022; . /script'"
    );
    fs::write(tree.join("script"), &script).unwrap();
    run("unshare", &["--mount", "sh", "-e", "-c", &outer]);
    fs::remove_file(tree.join("script")).unwrap();
    fs::remove_dir(tree.join("dev")).unwrap();
    fs::remove_dir(tree.join("proc")).unwrap();
    run(
        "sh",
        &[
            "-c",
            &format!("chmod 755 {to}; cd {to}; {TAR} ../theirs.tar ."),
        ],
    );
    let theirs = fs::read(bench.path().join("theirs.tar")).unwrap();
    let spec = serde_json::json!({"name": "test:1", "architecture": "amd64"})
        .with("copyToRoot", from)
        .with("runAsRoot", script);
    for at in place::isolated() {
        let ours = top(&bench.build(&spec, at).ok());
        let (theirs, ours) = (entries(&theirs), entries(&ours));
        // What was copied there has the permissions of this machine, or those of a store.
        let made = |path: &&String| {
            !["bin", "lib", "lib64", "usr", "etc"]
                .iter()
                .any(|top| path.starts_with(top))
                || path.starts_with("bin/su")
        };
        for path in theirs.keys().chain(ours.keys()).filter(made) {
            assert_eq!(theirs.get(path), ours.get(path), "{at:?}: {path}");
        }
    }
}
