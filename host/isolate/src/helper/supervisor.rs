//! The supervisor: the first process in the name spaces.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{WaitStatus, chroot, fchdir, getpid};
use rustix::system::sethostname;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::Trying;
use super::archive::Archive;
use super::listing::Listing;
use super::processes::{Processes, reap};
use super::room::Room;
use super::tree::{Tree, look};
use super::world::World;
use super::{child, foreign};
use crate::Level;
use crate::emulate::{Emulator, Granted, Ids};
use crate::error::CHANGING_ROOT;
use crate::request::{
    Answer, Changes, Ending, Entry, Failure, Identity, Job, Kind, Place, Refusal,
};
use crate::seccomp::Faked;
use crate::sys::process::{self, Fork};
use crate::sys::seccomp::answer_at_once;
use crate::wire;

/// The time between two counts of processes, and two looks at the clock.
const TICK: Duration = Duration::from_millis(50);
/// The time after which it is looked again whether a process that ends has ended.
const MOMENT: Duration = Duration::from_micros(200);
/// The time after which removed files give back their space.
const SOON: Duration = Duration::from_millis(5);
/// The longest step of a file system's clock: FAT's.
const LONGEST_STEP: Duration = Duration::from_secs(2);
/// The user and the group of builds of Nix.
const USER: (u32, u32) = (1000, 100);

/// All that the supervisor is started with.
pub(super) struct Started<'a> {
    pub(super) level: Level,
    pub(super) job: &'a Job,
    /// The rights that the kernel grants.
    pub(super) granted: Granted,
}

/// The reason why a job came to no good end.
enum Stop {
    Failed(Failure),
    Refused(Refusal),
    Broken(Refusal),
    /// The program is gone.
    Gone,
}

/// Does the job, and cleans up.
pub(super) fn run(started: &Started<'_>) -> Answer {
    let result = Supervisor::new(started)
        .map_err(Stop::Refused)
        .and_then(|mut supervisor| supervisor.run());
    let work = &started.job.work;
    clean(&work.join("tree"));
    for number in 0..started.job.steps.len() {
        clean(&work.join(world_name(number)));
    }
    if is_gone() {
        // Nobody else is left to remove it.
        clean(&started.job.scratch);
    }
    match result {
        Ok(changes) => Answer::Done(changes),
        Err(Stop::Failed(failure)) => Answer::Failed(failure),
        Err(Stop::Refused(refusal)) => Answer::Refused(refusal),
        Err(Stop::Broken(refusal)) => Answer::Broken(refusal),
        Err(Stop::Gone) => Answer::Done(Changes::default()),
    }
}

/// Returns whether the program that asked is gone.
fn is_gone() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let polled = poll(&mut fds, Some(&now));
    polled.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

fn world_name(number: usize) -> String {
    format!("world-{number}")
}

/// Removes a folder and all that is in it, whatever its permissions.
pub(super) fn clean(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        return;
    }
    let mut open = vec![folder.to_owned()];
    while let Some(directory) = open.pop() {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        open.extend(
            entries.filter_map(|entry| entry.file_type().ok()?.is_dir().then(|| entry.path())),
        );
    }
    let _ = fs::remove_dir_all(folder);
}

struct Supervisor<'a> {
    started: &'a Started<'a>,
    proc: OwnedFd,
    /// The root of this process, to come back to.
    root: OwnedFd,
    /// True if commands see files of owners who are not to be shown.
    shows_foreign: bool,
    emulator: Emulator,
    deadline: Option<Instant>,
}

const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl<'a> Supervisor<'a> {
    fn new(started: &'a Started<'a>) -> Result<Self, Refusal> {
        let Started { level, job, .. } = started;
        let is_own = *level != Level::Record;
        if is_own {
            let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", all).trying("making mounts private")?;
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount("proc", "/proc", "proc", flags, None).trying("mounting `/proc`")?;
            sethostname(b"localhost").trying("setting the host name")?;
            let _ = process::loopback_up();
        } else {
            process::prctl(libc::PR_SET_CHILD_SUBREAPER, 1).trying("becoming the subreaper")?;
        }
        // The world of this process is the machine's: no command may look into it.
        process::prctl(libc::PR_SET_DUMPABLE, 0).trying("forbidding commands to trace")?;
        one_processor();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = openat(CWD, "/proc", flags, Mode::empty()).trying("opening `/proc`")?;
        let root = openat(CWD, "/", PLACE, Mode::empty()).trying("opening the root")?;
        if !is_own && job.steps.iter().any(|step| step.place == Place::Root) {
            // The root that is there for another try: what is not granted shows before any step.
            fchdir(&root).trying(CHANGING_ROOT)?;
            chroot(".").trying(CHANGING_ROOT)?;
        }
        let copy = proc.try_clone().trying("opening `/proc`")?;
        let faked = Faked {
            modes: !is_own,
            ..Faked::default()
        };
        let shows_foreign = started.granted.devices && foreign::is_any(job);
        let mut emulator = Emulator::new(copy, faked);
        emulator.granted.clone_from(&started.granted);
        Ok(Self {
            started,
            proc,
            root,
            shows_foreign,
            emulator,
            deadline: job
                .max_seconds
                .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds))),
        })
    }

    fn run(&mut self) -> Result<Changes, Stop> {
        let job = self.started.job;
        let mut tree = self.tree().map_err(Stop::Broken)?;
        self.let_clock_move().map_err(Stop::Broken)?;
        for number in 0..job.steps.len() {
            self.step(&tree, number)?;
        }
        self.emulator.granted.clone_from(&self.started.granted);
        self.emulator.default_owner = (0, 0);
        self.emulator.own_mounts.clear();
        self.emulator.base_mounts.clear();
        tree.finish(&mut self.emulator)
            .trying("setting permissions")
            .map_err(Stop::Broken)?;
        Listing {
            tree: &tree,
            emulator: &self.emulator,
            out: job.work.join("out"),
        }
        .read()
        .map_err(Stop::Broken)
    }

    /// Puts the tree in place.
    fn tree(&mut self) -> Result<Tree, Refusal> {
        let job = self.started.job;
        let mut tree = Tree::new(job.work.join("tree"))?;
        if job.base {
            let mut archive = Archive::new(io::stdin().lock());
            tree.unpack(&mut archive, &mut self.emulator)?;
            io::copy(&mut archive, &mut io::sink()).trying("reading the base image")?;
        }
        for entry in &job.entries {
            tree.put(entry, &mut self.emulator)?;
        }
        if job.tmp && fs::symlink_metadata(tree.path.join("tmp")).is_err() {
            let tmp = Entry {
                path: b"tmp".to_vec(),
                kind: Kind::Directory,
                mode: 0o1777,
                uid: 0,
                gid: 0,
                xattrs: vec![],
            };
            tree.put(&tmp, &mut self.emulator)?;
        }
        tree.finish(&mut self.emulator)
            .trying("setting permissions")?;
        Ok(tree)
    }

    /// Waits until the clock of the file system moves on: what commands do has to be later than the tree, to be told
    /// from it.
    fn let_clock_move(&self) -> Result<(), Refusal> {
        let probe = self.started.job.work.join("clock");
        let look = || -> Result<_, Refusal> {
            let action = "looking at the clock of the file system";
            fs::File::create_new(&probe).trying(action)?;
            let made = look(CWD, probe.as_os_str().as_bytes()).trying(action)?;
            fs::remove_file(&probe).trying(action)?;
            Ok((made.stx_ctime.tv_sec, made.stx_ctime.tv_nsec))
        };
        let (first, end) = (look()?, Instant::now() + LONGEST_STEP);
        while look()? == first && Instant::now() < end {
            thread::sleep(MOMENT);
        }
        Ok(())
    }

    /// Makes room in the tree for what commands find at their root.
    fn room<'t>(&self, tree: &'t Tree, number: usize) -> Result<Option<Room<'t>>, Refusal> {
        let job = self.started.job;
        match (job.steps[number].place, self.started.level) {
            (Place::Directory, _) => Ok(None),
            (Place::Root, Level::Record) => {
                let aside = job.work.join(world_name(number)).join("aside");
                Room::filled(&tree.path, job, &aside).map(Some)
            }
            (Place::Root, _) => Room::to_mount(&tree.path, job).map(Some),
        }
    }

    fn faked(&self, identity: Identity) -> Faked {
        let granted = &self.started.granted;
        let emulated = granted.ids.is_empty();
        let is_real = granted.devices && identity == Identity::Root && !self.shows_foreign;
        Faked {
            files: !is_real,
            ids: emulated || identity == Identity::User,
            creation: emulated && identity == Identity::Root,
            modes: self.started.level == Level::Record,
        }
    }

    fn step(&mut self, tree: &Tree, number: usize) -> Result<(), Stop> {
        let job = self.started.job;
        let step = &job.steps[number];
        let folder = job.work.join(world_name(number));
        fs::create_dir(&folder)
            .trying("making a folder")
            .map_err(Stop::Broken)?;
        let room = self.room(tree, number).map_err(Stop::Broken)?;
        let world = World {
            level: self.started.level,
            job,
            step,
            tree: &tree.path,
            folder,
            makes_devices: self.started.granted.devices,
        };
        // What the machine does not grant shows in the first step.
        let stop = if number == 0 {
            Stop::Refused
        } else {
            Stop::Broken
        };
        let faked = self.faked(step.identity);
        let (here, there) = UnixStream::pair()
            .trying("making sockets")
            .map_err(Stop::Broken)?;
        let pid = match process::fork(0)
            .trying("starting a process")
            .map_err(Stop::Broken)?
        {
            Fork::Child => {
                drop(here);
                child::run(&world, faked, &there);
                end_child();
            }
            Fork::Parent(pid) => pid,
        };
        drop(there);
        let listener = match receive(&here).map_err(&stop)? {
            Some(listener) => listener,
            None => {
                let refusal = wire::receive(&here)
                    .trying("starting a process")
                    .unwrap_or_else(|refusal| refusal);
                self.processes().end();
                return Err(stop(refusal));
            }
        };
        self.begin(&world, pid, faked).map_err(&stop)?;
        let followed = (&mut &here).write_all(&[0]);
        followed.trying("starting commands").map_err(&stop)?;
        let line = openat(
            CWD,
            world.private().join("line"),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let ended = self.serve(&listener, &here, pid);
        self.processes().end();
        drop(listener);
        self.come_back().map_err(Stop::Broken)?;
        let ending = match ended? {
            Ending::Exit(0) => {
                let cleared = room.map_or(Ok(()), Room::clear);
                return cleared.map_err(Stop::Broken);
            }
            ending => ending,
        };
        let text = line
            .ok()
            .and_then(|line| io::read_to_string(fs::File::from(line)).ok());
        Err(Stop::Failed(Failure {
            step: step.name.clone(),
            ending,
            line: text.and_then(|text| text.trim().parse().ok()),
        }))
    }

    fn processes(&self) -> Processes<'_> {
        Processes::new(&self.proc, self.started.level != Level::Record)
    }

    /// Takes the root of the commands for that of this process, so that what they mean is found as
    /// they find it.
    fn begin(&mut self, world: &World<'_>, pid: i32, faked: Faked) -> Result<(), Refusal> {
        let is_own = self.started.level != Level::Record;
        if is_own || world.step.place == Place::Root {
            let theirs = openat(&self.proc, format!("{pid}/root"), PLACE, Mode::empty())
                .trying("following the commands' root")?;
            fchdir(&theirs).trying("following the commands' root")?;
            chroot(".").trying("following the commands' root")?;
        }
        self.emulator.faked = faked;
        let first = match world.step.identity {
            Identity::Root => {
                self.emulator.granted.clone_from(&self.started.granted);
                Ids::root()
            }
            Identity::User => {
                self.emulator.granted = Granted::default();
                Ids::of(USER.0, USER.1)
            }
        };
        self.emulator
            .begin(first)
            .trying("following the commands' root")?;
        self.emulator.own_mounts.clear();
        self.emulator.base_mounts.clear();
        if is_own {
            let tree = world.tree();
            let private = world.private();
            for place in [&tree, Path::new("/"), &private, Path::new("/dev/shm")] {
                let found = look(CWD, place.as_os_str().as_bytes())
                    .trying("following the commands' root")?;
                self.emulator.own_mounts.push(found.stx_mnt_id);
            }
            let mounts = base_mounts(world).trying("following the commands' root")?;
            self.emulator.base_mounts = mounts;
        }
        Ok(())
    }

    fn come_back(&self) -> Result<(), Refusal> {
        fchdir(&self.root).trying("returning to the root")?;
        // Only who left the root can come back to it.
        match chroot(".") {
            Err(Errno::PERM) if self.started.level == Level::Record => Ok(()),
            done => done.trying("returning to the root"),
        }
    }

    /// Answers questions until the commands end.
    fn serve(
        &mut self,
        listener: &OwnedFd,
        starting: &UnixStream,
        pid: i32,
    ) -> Result<Ending, Stop> {
        answer_at_once(listener.as_fd());
        let mut starting = Some(starting);
        // Once nothing is left that could ask.
        let mut is_over = false;
        let mut next = Instant::now() + TICK;
        let stdin = io::stdin();
        loop {
            let now = Instant::now();
            if now >= next {
                next = now + TICK;
                if let Some(ending) = self.overdue(pid) {
                    return Ok(ending);
                }
            }
            let socket = starting.map_or_else(|| stdin.as_fd(), AsFd::as_fd);
            let events = if is_over {
                PollFlags::empty()
            } else {
                PollFlags::IN
            };
            let mut fds = [
                PollFd::from_borrowed_fd(
                    if is_over {
                        stdin.as_fd()
                    } else {
                        listener.as_fd()
                    },
                    events,
                ),
                PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty()),
                PollFd::from_borrowed_fd(socket, PollFlags::IN),
            ];
            let count = if starting.is_some() { 3 } else { 2 };
            let is_keeping = self.emulator.release();
            let longest = if is_over {
                // The last of the commands is about to be buried.
                MOMENT
            } else if is_keeping {
                SOON
            } else {
                TICK
            };
            let wait = next.saturating_duration_since(now).min(longest);
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: wait.as_nanos() as _,
            };
            match poll(&mut fds[..count], Some(&wait)) {
                Err(Errno::INTR) => continue,
                polled => polled.trying("waiting").map_err(Stop::Broken)?,
            };
            let [asked, program, told] = fds.map(|fd| fd.revents());
            if program.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Err(Stop::Gone);
            }
            if let Some(mut socket) = starting
                && !told.is_empty()
            {
                // Closed by the kernel when the shell has started. What it tells before comes as a
                // whole; who waited for more could not answer what it asks meanwhile.
                let mut message = [0; 16];
                let length = socket.read(&mut message).unwrap_or(0);
                if let [child::NO_SHELL, errno @ ..] = &message[..length] {
                    let errno = errno.try_into().map_or(libc::EIO, i32::from_le_bytes);
                    return Ok(Ending::NoShell(errno));
                }
                starting = None;
            }
            if asked.contains(PollFlags::IN) {
                self.emulator
                    .serve(listener.as_fd())
                    .trying("answering commands")
                    .map_err(Stop::Broken)?;
            } else {
                is_over |= asked.contains(PollFlags::HUP);
                if let Some(status) = reap(Some(pid)) {
                    return Ok(ending(status));
                }
            }
        }
    }

    /// Returns the end of commands that had their share.
    fn overdue(&self, pid: i32) -> Option<Ending> {
        if let Some(status) = reap(Some(pid)) {
            return Some(ending(status));
        }
        let Job {
            max_processes,
            max_seconds,
            ..
        } = self.started.job;
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Some(Ending::Time(max_seconds.unwrap_or_default()));
        }
        let count = self.processes().count();
        if count == 0 {
            // Somebody else has buried it.
            return Some(Ending::Exit(1));
        }
        (count > *max_processes as usize).then_some(Ending::Processes(*max_processes))
    }
}

/// The mounts of the base image's store paths.
fn base_mounts(world: &World<'_>) -> io::Result<Vec<u64>> {
    let mut mounts = vec![];
    if world.step.place != Place::Root {
        return Ok(mounts);
    }
    let store = Path::new(&world.job.store_dir);
    let listed = match fs::read_dir(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(mounts),
        listed => listed?,
    };
    for entry in listed {
        let name = entry?.file_name();
        let given = world.job.store.iter().any(|(given, _)| name == **given);
        if !given {
            let path = store.join(name);
            mounts.push(look(CWD, path.as_os_str().as_bytes())?.stx_mnt_id);
        }
    }
    Ok(mounts)
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Exit(code),
        (_, Some(signal)) => Ending::Signal(signal),
        _ => Ending::Exit(1),
    }
}

/// Ends a child that could not become the shell, without what this program would do at its end.
#[expect(
    clippy::exit,
    reason = "a process of its own that has told all it had to tell"
)]
fn end_child() -> ! {
    std::process::exit(1)
}

/// Receives the listener of the child's filter; none if the child tells that it cannot go on.
fn receive(from: &UnixStream) -> Result<Option<OwnedFd>, Refusal> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = loop {
        let mut parts = [io::IoSliceMut::new(&mut byte)];
        match recvmsg(from, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            received => break received.trying("starting a process")?,
        }
    };
    if received.bytes == 0 {
        return Err(Errno::CHILD).trying("starting a process");
    }
    let listener = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok(listener)
}

/// Lets this process and all that it starts run on one processor, whatever the machine has.
fn one_processor() {
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    // The one that it is on, so that not all builds of a machine share the first.
    let here = Some(sched_getcpu()).filter(|cpu| allowed.is_set(*cpu));
    let first = || (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    let Some(cpu) = here.or_else(first) else {
        return;
    };
    let mut one = CpuSet::new();
    one.set(cpu);
    let _ = sched_setaffinity(Some(getpid()), &one);
}
