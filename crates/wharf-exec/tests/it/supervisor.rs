//! What a command leaves behind when its server, its keeper or its supervisor is killed: nothing.

use std::time::Instant;

use rustix::process::Signal;
use wharf_testkit::process::processes_with;

use crate::server::{DEAD_WITHIN, Server, is_alive, signal, wait_for, zombies_of};

/// Six ways to survive, each in a process of its own, and the shell itself; "ready" once all are there.
const STUBBORN: &str = "
setsid sh nap </dev/null >/dev/null 2>&1 &
( ( setsid sh nap >/dev/null 2>&1 & ) & )
nohup sh nap >/dev/null 2>&1 &
env -i $(command -v setsid) $(command -v sh) nap >/dev/null 2>&1 &
( env -i $(command -v setsid) $(command -v sh) nap & )
sh nap &
trap '' TERM HUP INT
until [ \"$(wc -l < here 2>/dev/null || echo 0)\" -ge 6 ]; do :; done
echo ready
sleep MARK
wait
";

#[test]
fn nothing_survives_a_killed_server() {
    let mut server = Server::run(STUBBORN);
    server.read_to("ready");
    let (supervisor, keeper) = server.helpers();
    // The sleepers, and the shell that waits with them: their shells do not carry the mark.
    assert!(processes_with(&server.mark).len() >= 7);
    server.signal(Signal::KILL);
    let since = server.dead();
    let took = server.all_gone(since, &[supervisor, keeper]);
    assert!(took < DEAD_WITHIN, "{took:?}");
    let recorded = server.recorded().unwrap();
    // The shell may still have told of a child that ended before it.
    assert!(recorded.outcome.is_none() && recorded.output.starts_with("ready\n"), "{recorded:?}");
}

#[test]
fn a_signal_to_the_servers_group_ends_the_server_and_with_it_the_rest() {
    for how in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut server = Server::run(STUBBORN);
        server.read_to("ready");
        let (supervisor, keeper) = server.helpers();
        server.signal_group(how);
        let since = server.dead();
        let took = server.all_gone(since, &[supervisor, keeper]);
        assert!(took < DEAD_WITHIN, "{how:?}: {took:?}");
    }
}

#[test]
fn a_request_to_end_is_for_the_server_alone() {
    let mut server = Server::run("echo ready; until [ -e go ]; do :; done; echo done");
    server.read_to("ready");
    let (supervisor, keeper) = server.helpers();
    for how in [Signal::INT, Signal::TERM, Signal::HUP] {
        signal(supervisor, how);
        signal(keeper, how);
    }
    std::fs::write(server.work("go"), "").unwrap();
    let rest = server.read_all();
    assert!(rest.starts_with("done\n") && rest.contains("= Exited(ExitStatus(unix_wait_status(0)))"), "{rest}");
}

#[test]
fn what_a_command_came_to_is_known_though_its_server_hung_and_died() {
    let mut server = Server::run("echo ready; until [ -e go ]; do :; done; echo done; exit 3");
    server.read_to("ready");
    let (_, keeper) = server.helpers();
    server.signal(Signal::STOP);
    std::fs::write(server.work("go"), "").unwrap();
    wait_for("the end to be written down", || server.recorded().is_some_and(|recorded| recorded.outcome.is_some()));
    server.signal(Signal::KILL);
    let since = server.dead();
    server.all_gone(since, &[keeper]);
    let output = server.recorded().unwrap().outcome.unwrap().unwrap();
    assert_eq!((output.result.as_str(), output.exit_code), ("ready\ndone\n[exit code 3]", Some(3)));
}

#[test]
fn a_killed_keeper_leaves_nothing_and_is_told() {
    let mut server = Server::run(STUBBORN);
    server.read_to("ready");
    let (_, keeper) = server.helpers();
    signal(keeper, Signal::KILL);
    let since = Instant::now();
    let rest = server.read_all();
    assert!(rest.contains("its supervisor was killed") && rest.contains("ready"), "{rest}");
    server.all_gone(since, &[keeper]);
    assert!(server.recorded().unwrap().outcome.is_none());
}

#[test]
fn a_killed_supervisor_costs_nobody_anything() {
    let mut server = Server::run("echo ready; until [ -e go ]; do :; done; echo done");
    server.read_to("ready");
    let (supervisor, _) = server.helpers();
    signal(supervisor, Signal::KILL);
    wait_for("its end", || !is_alive(supervisor));
    std::fs::write(server.work("go"), "").unwrap();
    assert!(server.read_all().contains("= Exited(ExitStatus(unix_wait_status(0)))"));
}

#[test]
fn a_server_without_its_supervisor_still_takes_its_commands_along() {
    let mut server = Server::run(STUBBORN);
    server.read_to("ready");
    let (supervisor, keeper) = server.helpers();
    signal(supervisor, Signal::KILL);
    wait_for("its end", || !is_alive(supervisor));
    server.signal(Signal::KILL);
    let since = server.dead();
    let took = server.all_gone(since, &[keeper]);
    assert!(took < DEAD_WITHIN, "{took:?}");
}

#[test]
fn a_command_has_no_descriptor_but_its_own_three() {
    // The test's own end of a pipe, let through to the server on purpose.
    let (_kept, leaked) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let mut server = Server::run("ls -l /proc/self/fd");
    let all = server.read_all();
    let links = all.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(" -> "));
    // One is the listing's own.
    let links = links.filter(|(_, target)| !target.ends_with("/fd"));
    let fds: Vec<&str> = links.filter_map(|(line, _)| line.rsplit(' ').next()).collect();
    assert_eq!(fds, ["0", "1", "2"], "{all}");
    assert!(all.contains("/dev/null"), "{all}");
}

#[test]
fn no_zombie_waits_for_its_reaper() {
    let mut server = Server::run("for i in 1 2 3 4 5; do (setsid true &); done; echo ready; sleep MARK");
    server.read_to("ready");
    let (supervisor, keeper) = server.helpers();
    wait_for("the orphans to be reaped", || zombies_of(keeper) + zombies_of(supervisor) + zombies_of(server.id()) == 0);
}
