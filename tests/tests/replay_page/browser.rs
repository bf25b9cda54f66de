//! Chromium, offline, for pages with a script that leaves a result.

use std::fs;
use std::path::Path;
use std::process::Command;

use terrine_tests::{Run, peer, temporary};

/// The attribute that a page gets when its scripts have run.
const READY: &str = "data-ready=\"yes\"";

/// Returns the attribute `data-result` that a script gives to the body of a page, or nothing where Chromium is not installed.
pub(crate) fn result(page: &str, script: &str) -> Option<String> {
    let chromium = peer::find("chromium")?;
    let folder = temporary();
    let file = folder.path().join("tried.html");
    let script = format!("<script>{script}</script></body>");
    fs::write(&file, page.replace("</body>", &script)).unwrap();
    let dom = dom(&chromium, folder.path(), &file);
    let (_, rest) = dom
        .split_once("data-result=\"")
        .expect("the script has run to its end");
    let result = rest.split_once('"').unwrap().0;
    let result = result.replace("&quot;", "\"").replace("&lt;", "<");
    Some(result.replace("&gt;", ">").replace("&amp;", "&"))
}

/// Returns the text of a page after its scripts have run. They log nothing.
fn dom(chromium: &Path, folder: &Path, file: &Path) -> String {
    // Chromium may not start, or not come to the scripts, on a busy machine.
    let is_done =
        |run: &Run| run.code == Some(0) && String::from_utf8_lossy(&run.stdout).contains(READY);
    let first = opened(chromium, &folder.join("profile"), file);
    let run = if is_done(&first) {
        first
    } else {
        opened(chromium, &folder.join("profile-2"), file)
    }
    .ok();
    // Messages of a page, such as refused requests, are logged with this word.
    let console: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert_eq!(console, Vec::<&str>::new());
    let dom = String::from_utf8(run.stdout).unwrap();
    assert!(dom.contains(READY), "{}", run.stderr);
    dom
}

/// Opens a page.
fn opened(chromium: &Path, profile: &Path, file: &Path) -> Run {
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ]);
    command.args([
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.arg("--dump-dom");
    Run::of(command.arg(format!("file://{}", file.display())))
}
