//! The messages of a long transfer where there is no terminal.

use terrine_tests::proxy::{Fault, Proxy, Request, When};
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;

#[test]
fn a_long_check_says_now_and_then_how_far_it_is() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::new(&[("large", 130_000)]);
    let image = format!("docker://{}/acme/web:1", proxy.host());
    shipment.build(&image, &["--compression", "none"]).ok();
    // More than six seconds for what is stored.
    proxy.fault(Request::of_blob, When::Always, Fault::Slow(20_000));
    let verify = |options: &[&str]| {
        shipment
            .terrine(&[options, &["verify", &image]].concat())
            .ok()
    };
    let (run, quiet) = std::thread::scope(|scope| {
        let quiet = scope.spawn(|| verify(&["-q"]));
        (verify(&[]), quiet.join().unwrap())
    });
    let lines: Vec<_> = run.stderr.lines().collect();
    let [so_far, .., end] = &lines[..] else {
        panic!("{}", run.stderr)
    };
    assert!(
        so_far.starts_with("so far ") && so_far.ends_with(" kB read"),
        "{so_far}"
    );
    assert!(end.contains(" is valid: "), "{end}");
    assert_eq!(quiet.stderr, "");
}
