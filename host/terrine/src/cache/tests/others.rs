//! Disks and processes that are in the way.

use super::*;

#[test]
fn a_place_that_cannot_be_written_is_complained_of_once_and_read() {
    let folder = folder();
    fill(&open(folder.path()), 0..10);
    // Even root cannot make a journal of a folder.
    let journal = folder.path().join("layers.sqlite-journal");
    fs::remove_file(&journal).unwrap();
    let cache = on(folder.path(), DAY + 1);
    fs::create_dir(&journal).unwrap();
    fs::write(journal.join("x"), "").unwrap();
    fill(&cache, 10..30);
    let complaint = cache.complaint().unwrap().to_owned();
    assert!(
        complaint.starts_with("using the layer cache `"),
        "{complaint}"
    );
    fill(&cache, 30..40);
    cache.flush();
    assert_eq!(cache.complaint().unwrap(), complaint);
    drop(cache);
    fs::remove_dir_all(&journal).unwrap();
    assert_eq!(check(&open(folder.path()), 0..10), 40);
}

#[test]
fn a_full_disk_loses_only_what_does_not_fit() {
    let folder = folder();
    fill(&open(folder.path()), 0..10);
    let cache = open(folder.path());
    let limit = |cache: &Cache, pages: u32| {
        let inner = cache.lock();
        let connection = inner.file.as_ref().unwrap().connection();
        connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    };
    limit(&cache, 6);
    fill(&cache, 10..500);
    assert!(
        cache.complaint().unwrap().contains("full"),
        "{:?}",
        cache.complaint()
    );
    assert_eq!(check(&cache, 0..10), 40);
    drop(cache);
    let cache = open(folder.path());
    assert_eq!(check(&cache, 0..10), 40);
    check(&cache, 10..500);
}

#[test]
fn one_that_is_held_is_done_without() {
    let folder = folder();
    fill(&open(folder.path()), 0..3);
    let (reading, writing) = (open(folder.path()), open(folder.path()));
    fill(&writing, 3..4);
    let other = Connection::open(database(folder.path())).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for cache in [&reading, &writing] {
        cache
            .lock()
            .file
            .as_ref()
            .unwrap()
            .wait_for(Duration::from_millis(5));
    }
    assert_eq!(reading.plain(&key(0)), None);
    assert!(
        reading.complaint().unwrap().ends_with("locked"),
        "{:?}",
        reading.complaint()
    );
    // It waits no second time.
    assert!(reading.lock().file.is_none());
    writing.flush();
    assert!(writing.complaint().unwrap().ends_with("locked"));
    other.execute_batch("COMMIT").unwrap();
    drop((reading, writing));
    assert_eq!(check(&open(folder.path()), 0..4), 12);
}

#[test]
fn threads_and_caches_get_on_with_each_other() {
    let folder = folder();
    let shared = open(folder.path());
    std::thread::scope(|scope| {
        for t in 0..4 {
            let (shared, folder) = (&shared, folder.path());
            scope.spawn(move || {
                let own = open(folder);
                for round in 0..20 {
                    let numbers = round * 5..round * 5 + 10;
                    for cache in [shared, &own] {
                        fill(cache, numbers.clone());
                        check(cache, 0..round * 5 + 10);
                    }
                    if t == 0 && round % 5 == 4 {
                        clear(folder).unwrap();
                    }
                }
                own.flush();
                assert_eq!(own.complaint(), None);
            });
        }
    });
    shared.flush();
    assert_eq!(shared.complaint(), None);
    assert!(check(&open(folder.path()), 0..105) > 0);
}

/// Not a test: a process that writes until it is killed.
#[test]
#[ignore = "run by `killed_writers_leave_a_whole_database`"]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("TERRINE_TEST_CACHE") else {
        return;
    };
    let cache = open(Path::new(&folder));
    for n in (0..2000).cycle() {
        fill(&cache, [n]);
        check(&cache, [n / 2]);
        if n == 20 {
            // The parent reads it.
            writeln!(std::io::stdout(), "ready").unwrap();
        }
        assert_eq!(cache.complaint(), None);
    }
}

fn writer(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "--nocapture",
        "cache::tests::others::writes_until_it_is_killed",
    ]);
    let mut child = command
        .env("TERRINE_TEST_CACHE", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.ends_with("ready")),
        "the writer ended early"
    );
    child
}

#[test]
fn killed_writers_leave_a_whole_database() {
    let folder = folder();
    let mut lasting = writer(folder.path());
    for round in 0..15u64 {
        let mut child = writer(folder.path());
        // Some moment, another in each round.
        std::thread::sleep(Duration::from_micros(round * 7919 % 15_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let cache = open(folder.path());
        assert!(check(&cache, 0..20) > 0);
        check(&cache, (0..2000).step_by(31));
        assert_eq!(cache.complaint(), None, "round {round}");
    }
    assert!(
        lasting.try_wait().unwrap().is_none(),
        "the other writer failed"
    );
    lasting.kill().unwrap();
    lasting.wait().unwrap();
    let check: String = Connection::open(database(folder.path()))
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
