//! Things that commands may not do.

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::json;

use super::place::{self, Bench};
use super::{With, entries, spec, top};

#[test]
fn commands_get_at_nothing_of_this_machine() {
    let Some(bench) = Bench::new() else { return };
    if !bench.compile("hostile", include_str!("hostile.c")) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("terrine-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let secret = bench.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let store = bench.path().join("nix/store");
    fs::create_dir_all(store.join("app")).unwrap();
    fs::write(store.join("app/file"), "as it was").unwrap();
    let graph = json!([{"path": "/nix/store/app", "narSize": 1, "references": []}]);
    fs::write(bench.path().join("graph.json"), graph.to_string()).unwrap();
    let script = format!(
        "hostile {} {name} {} {} > said
         for f in /nix/store/new /nix/store/app/new /nix/store/app/file /.terrine/tools/0/new; do
           (echo x > $f) 2> /dev/null && echo GRANTED $f >> said; [ -e $f ] && rm -f $f 2> /dev/null && echo GRANTED rm $f >> said
         done; true",
        listener.local_addr().unwrap().port(),
        std::process::id(),
        secret.display(),
    );
    for at in place::isolated() {
        for (field, chroot) in [
            ("extraCommands", false),
            ("fakeRootCommands", false),
            ("fakeRootCommands", true),
            ("runAsRoot", false),
        ] {
            let spec = spec(&bench, field, &script)
                .with("enableFakechroot", chroot)
                .with("contents", "/nix/store/app")
                .with("closure", bench.path().join("graph.json").to_str().unwrap());
            let cache = bench.cache();
            let mut command = bench.command("build", &spec, at, &cache);
            command.arg("--store-root").arg(bench.path());
            let layer = top(&terrine_tests::Run::of(&mut command).ok());
            assert_eq!(entries(&layer)["said"].text, "", "{field} {at:?}");
        }
    }
    assert_eq!(fs::read(store.join("app/file")).unwrap(), b"as it was");
    assert_eq!(fs::read_dir(store).unwrap().count(), 1);
}
