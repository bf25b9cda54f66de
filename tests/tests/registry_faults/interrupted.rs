//! Pushes that are killed or interrupted.

use std::process::{Child, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use terrine_tests::proxy::{Fault, When};

use super::{End, PATIENCE, Scene, tags};

/// A push through a slow proxy, under way.
fn under_way(scene: &Scene) -> Child {
    let mut command = scene.shipment.forget().build_command(&scene.to(), &["-q"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the proxy has seen so many requests, or the run is over.
fn wait_for(scene: &Scene, child: &mut Child, count: usize) {
    let start = Instant::now();
    while scene.proxy.requests().len() < count
        && child.try_wait().unwrap().is_none()
        && start.elapsed() < PATIENCE
    {
        std::thread::yield_now();
    }
}

#[test]
fn a_push_that_is_killed_is_completed_by_the_next() {
    for count in [1, 2, 4, 6, 8, 10, 12, 14, 15] {
        let Some(scene) = Scene::new() else { return };
        let mut child = under_way(&scene);
        wait_for(&scene, &mut child, count);
        let _ = child.kill();
        let _ = child.wait();
        scene.is_whole(&format!("{count} requests"));
        let run = scene.push(&[]);
        scene.check(&run, End::Done, &format!("after {count} requests"));
    }
}

#[test]
fn a_push_that_is_interrupted_leaves_nothing() {
    for count in [1, 5, 9] {
        let Some(scene) = Scene::new() else { return };
        // It is not over before it is interrupted.
        scene.proxy.fault(tags, When::Always, Fault::Stall);
        let mut child = under_way(&scene);
        wait_for(&scene, &mut child, count);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{count}");
        assert!(scene.shipment.leftovers().is_empty(), "{count}");
        assert_eq!(
            scene.registry.manifest("acme/web", "1").unwrap().digest,
            scene.old
        );
    }
}
