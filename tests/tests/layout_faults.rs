//! Layouts whose writers are killed, interrupted, out of room or not alone: what was there stays
//! valid, a second run completes, and nothing is left lying about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use terrine_tests::{Run, Shipment, SmallDisk, temporary};

const QUICK: [&str; 1] = ["-q"];

/// A layout with an older image, and what is to be written beside it.
struct Scene {
    place: tempfile::TempDir,
    shipment: Shipment,
}

impl Scene {
    fn new(place: tempfile::TempDir) -> Self {
        let scene = Self {
            place,
            shipment: Shipment::new(&[("a", 2_000_000), ("b", 1_500_000)]),
        };
        let older = Shipment::new(&[("old", 10_000)]);
        older.forget().build(&scene.image("old"), &QUICK).ok();
        scene
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("l")
    }

    fn image(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.path().display())
    }

    fn start(&self) -> Child {
        let mut command = self
            .shipment
            .forget()
            .build_command(&self.image("new"), &QUICK);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The older image is valid, and the new one if it is listed.
    fn is_whole(&self, what: &str) {
        assert!(self.shipment.is_valid(&self.image("old")), "{what}");
        let index = fs::read_to_string(self.path().join("index.json")).unwrap();
        assert_eq!(
            index.contains("\"new\""),
            self.shipment.is_valid(&self.image("new")),
            "{what}"
        );
    }

    fn completes(&self, what: &str) {
        self.shipment
            .forget()
            .build(&self.image("new"), &QUICK)
            .ok();
        self.is_whole(what);
        assert!(self.shipment.is_valid(&self.image("new")), "{what}");
        assert_eq!(leftovers(&self.path()), Vec::<String>::new(), "{what}");
        assert!(self.shipment.leftovers().is_empty(), "{what}");
    }
}

/// Returns the names of what is in a layout and no part of it.
fn leftovers(path: &Path) -> Vec<String> {
    fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .map(|name| name.into_string().unwrap())
        .filter(|name| !["blobs", "index.json", "oci-layout"].contains(&name.as_str()))
        .collect()
}

/// Waits until a writer has begun to write, or is over.
fn begun(scene: &Scene, child: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none() {
        if !leftovers(&scene.path()).is_empty() {
            return true;
        }
    }
    false
}

#[test]
fn a_writer_that_is_killed_breaks_nothing() {
    let mut hit = 0;
    for round in 0..12_u32 {
        let scene = Scene::new(temporary());
        let mut child = scene.start();
        hit += u32::from(begun(&scene, &mut child));
        // From just begun to nearly done, whatever the machine.
        let until = Instant::now() + Duration::from_micros(u64::from(round * round) * 700);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let _ = child.kill();
        let _ = child.wait();
        scene.is_whole(&format!("round {round}"));
        scene.completes(&format!("round {round}"));
    }
    assert!(hit >= 6, "{hit}");
}

#[test]
fn an_interrupted_writer_leaves_nothing() {
    let mut hit = 0;
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::INT,
        Signal::INT,
        Signal::INT,
    ] {
        let scene = Scene::new(temporary());
        let mut child = scene.start();
        let begun = begun(&scene, &mut child);
        let _ = kill_process(Pid::from_child(&child), signal);
        let code = child.wait().unwrap().code();
        if begun && code != Some(0) {
            assert_eq!(code, Some(128 + signal.as_raw()));
            hit += 1;
        }
        assert_eq!(leftovers(&scene.path()), Vec::<String>::new(), "{signal:?}");
        assert!(scene.shipment.leftovers().is_empty());
        scene.is_whole(&format!("{signal:?}"));
        scene.completes(&format!("{signal:?}"));
    }
    assert!(hit > 0);
}

#[test]
fn a_full_disk_is_said_and_breaks_nothing() {
    let place = temporary();
    let Some(disk) = SmallDisk::at(place.path(), "size=1m") else {
        return;
    };
    let scene = Scene::new(place);
    let run = scene.shipment.forget().build(&scene.image("new"), &QUICK);
    let left = leftovers(&scene.path());
    scene.is_whole("full");
    let more = disk.remount("size=64m");
    scene.completes("with more room");
    disk.unmount();
    assert!(more && left.is_empty(), "{left:?}");
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("No space left on device"),
        "{}",
        run.stderr
    );
    // Blobs wait in the layout itself.
    let remedy = run.stderr.ends_with("hint: make room there\n");
    assert!(remedy, "{}", run.stderr);
}

#[test]
fn writers_at_once_lose_nothing() {
    let place = temporary();
    let path = place.path().join("l");
    let shipments: Vec<Shipment> = (0..4)
        .map(|n| Shipment::new(&[("shared", 300_000), (&format!("own{n}"), 100_000)]))
        .collect();
    let image = |n: usize| format!("oci:{}:tag{n}", path.display());
    let children: Vec<Child> = shipments
        .iter()
        .enumerate()
        .map(|(n, shipment)| {
            let mut command = shipment.forget().build_command(&image(n), &QUICK);
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        Run::from(child.wait_with_output().unwrap()).ok();
    }
    for (n, shipment) in shipments.iter().enumerate() {
        assert!(shipment.is_valid(&image(n)), "{n}");
    }
    assert_eq!(leftovers(&path), Vec::<String>::new());
}
