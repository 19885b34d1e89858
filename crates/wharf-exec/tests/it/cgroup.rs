//! Control groups: what a command starts is in one, and goes with it. Where none may be made, the old way is seen to work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;
use wharf_testkit::process::processes_with;

use crate::server::{DEAD_WITHIN, Server, is_alive, signal, wait_for};

/// A process that does all there is to get away: a session of its own, two forks, nothing open, nothing in its environment.
const RUNAWAY: &str = "( env -i $(command -v setsid) $(command -v sh) nap </dev/null >/dev/null 2>&1 & )
until [ -s here ]; do :; done
echo ready
";

static TRIED: AtomicU32 = AtomicU32::new(0);

/// Where the machine's control groups are.
struct Groups {
    mount: PathBuf,
}

impl Groups {
    /// `None` where none may be made: found out by doing it, with a process that may be killed.
    fn here() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
        let found = mount.map(|mount| Self { mount: mount.into() }).filter(|groups| {
            let number = TRIED.fetch_add(1, Ordering::Relaxed);
            let own = groups.of(rustix::process::getpid().as_raw_pid());
            let group = own.join(format!("try-{}-{number}", std::process::id()));
            let Ok(()) = std::fs::create_dir(&group) else { return false };
            let mut child = Command::new("sleep").arg("60").spawn().unwrap();
            let is_in = std::fs::write(group.join("cgroup.procs"), child.id().to_string()).is_ok();
            let can = is_in && group.join("cgroup.kill").exists();
            child.kill().unwrap();
            child.wait().unwrap();
            std::fs::remove_dir(&group).unwrap();
            can
        });
        if found.is_none() {
            eprintln!("no control group can be made here: only the way without one is tested");
        }
        found
    }

    fn of(&self, pid: i32) -> PathBuf {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        self.mount.join(group)
    }

    /// The one group of all that the command has started; neither its keeper nor anybody else is in it.
    fn of_command(&self, server: &Server, keeper: i32) -> PathBuf {
        wait_for("the sleeper", || !processes_with(&server.mark).is_empty());
        let found: Vec<PathBuf> =
            processes_with(&server.mark).into_iter().map(|pid| self.of(i32::try_from(pid).unwrap())).collect();
        let group = found.first().unwrap().clone();
        assert!(found.iter().all(|other| *other == group), "{found:?}");
        assert_eq!(group.parent(), Some(self.of(keeper).as_path()));
        assert!(group.file_name().unwrap().to_str().unwrap().starts_with("wharf-"), "{group:?}");
        group
    }
}

fn gone(group: Option<&Path>) {
    if let Some(group) = group {
        wait_for("the group to be removed", || !group.exists());
    }
}

#[test]
fn with_its_main_process_the_whole_group_ends() {
    let groups = Groups::here();
    let mut server = Server::run(&format!("{RUNAWAY}until [ -e go ]; do :; done"));
    server.read_to("ready");
    let (_, keeper) = server.helpers();
    let group = groups.map(|groups| groups.of_command(&server, keeper));
    std::fs::write(server.work("go"), "").unwrap();
    let rest = server.read_all();
    assert!(rest.contains("= Exited(ExitStatus(unix_wait_status(0)))") && !rest.contains(", 0 left"), "{rest}");
    assert!(processes_with(&server.mark).is_empty());
    gone(group.as_deref());
}

#[test]
fn with_its_server_the_whole_group_ends() {
    let groups = Groups::here();
    let mut server = Server::run(&format!("{RUNAWAY}sleep MARK"));
    server.read_to("ready");
    let (supervisor, keeper) = server.helpers();
    let group = groups.map(|groups| groups.of_command(&server, keeper));
    server.signal(Signal::KILL);
    let since = server.dead();
    let took = server.all_gone(since, &[supervisor, keeper]);
    assert!(took < DEAD_WITHIN, "{took:?}");
    gone(group.as_deref());
}

#[test]
fn the_group_of_a_killed_keeper_is_ended_by_the_supervisor() {
    let groups = Groups::here();
    let mut server = Server::run(&format!("{RUNAWAY}sleep MARK"));
    server.read_to("ready");
    let (_, keeper) = server.helpers();
    let group = groups.map(|groups| groups.of_command(&server, keeper));
    signal(keeper, Signal::KILL);
    let rest = server.read_all();
    assert!(rest.contains("its supervisor was killed"), "{rest}");
    server.all_gone(std::time::Instant::now(), &[keeper]);
    gone(group.as_deref());
}

#[test]
fn what_outlived_a_kill_of_all_at_once_ends_with_the_next_start() {
    let groups = Groups::here();
    let mut server = Server::run(&format!("{RUNAWAY}sleep MARK"));
    server.read_to("ready");
    let (supervisor, keeper) = server.helpers();
    let group = groups.map(|groups| groups.of_command(&server, keeper));
    // Held fast, so that none of them sees the others die.
    for pid in [keeper, supervisor, server.id()] {
        signal(pid, Signal::STOP);
    }
    for pid in [keeper, supervisor, server.id()] {
        signal(pid, Signal::KILL);
    }
    server.dead();
    wait_for("the keeper's end", || !is_alive(keeper) && !is_alive(supervisor));
    let mut next = Server::run("echo next");
    assert!(next.read_all().starts_with("next\n"));
    if group.is_none() {
        // Nobody is left who could know of them.
        processes_with(&server.mark).into_iter().for_each(|pid| signal(i32::try_from(pid).unwrap(), Signal::KILL));
    }
    wait_for("the command's processes to die", || processes_with(&server.mark).is_empty());
    gone(group.as_deref());
}
