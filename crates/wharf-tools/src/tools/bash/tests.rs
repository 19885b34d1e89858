//! Commands: what they put out, how they end, and that nothing of them survives.

use std::time::Instant;

use serde_json::json;

use wharf_protocol::{CallOutcome, ToolError};

use crate::testing::Bench;

/// Runs each test below a supervisor and, as in programs that embed the engine, without one.
macro_rules! both {
    ($($name:ident)*) => {$(
        mod $name {
            use super::*;

            #[cfg(target_os = "linux")]
            #[tokio::test]
            async fn supervised() {
                super::$name(Bench::supervised()).await;
            }

            #[tokio::test]
            async fn alone() {
                super::$name(Bench::new()).await;
            }
        }
    )*};
}

both! {
    output_and_exit_code_are_told
    a_command_runs_in_the_workspace_without_input_and_secrets
    a_renamed_workspace_is_still_the_one_that_was_opened
    progress_has_every_byte_in_order
    fifty_megabytes_cost_a_bounded_result
    a_stray_that_holds_the_pipe_does_not_hold_the_call
    what_left_its_group_and_parents_is_stopped_too
    a_cancel_ends_the_whole_tree_in_time
    a_process_that_listens_may_say_its_last_words
    a_command_that_waits_for_a_slow_engine_can_be_killed
    a_time_limit_of_the_call_is_told
    an_abandoned_call_leaves_nothing_running
    calls_at_the_same_time_do_not_end_each_other
    a_fork_storm_ends
    what_cannot_be_run_is_refused_in_words
}

/// The same in a process namespace; where this machine makes none, it is once more what it is without one.
macro_rules! contained {
    ($($name:ident)*) => {
        #[cfg(target_os = "linux")]
        mod contained {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                super::$name(Bench::contained()).await;
            })*
        }
    };
}

contained! {
    a_command_runs_in_the_workspace_without_input_and_secrets
    progress_has_every_byte_in_order
    a_cancel_ends_the_whole_tree_in_time
    a_process_that_listens_may_say_its_last_words
    a_time_limit_of_the_call_is_told
    an_abandoned_call_leaves_nothing_running
    a_fork_storm_ends
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_contained_command_sees_its_own_processes_only() {
    let bench = Bench::contained();
    let containment = bench.toolbox.containment();
    let told = bench.tell("bash", json!({"command": "ls /proc | grep -c '^[0-9]'"})).await;
    let count: usize = told.trim().parse().unwrap();
    if !containment.active {
        return eprintln!("no process namespace here: {:?}", containment.reason);
    }
    // The namespace's first process, the shell, and what it has started.
    assert!(count <= 6, "{count} processes");
}

/// Processes that have `marker` among their arguments, zombies aside: `sleep` keeps it, whatever else it gave up.
fn running(marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_sleep = arguments.starts_with(b"sleep\0");
        if is_sleep && arguments.split(|byte| *byte == 0).any(|argument| argument == marker.as_bytes()) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// A time to sleep that no other test has.
fn unique(number: u32) -> String {
    format!("{}.{number}", 100_000 + std::process::id())
}

fn our_zombies() -> Vec<String> {
    let ours = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let rest: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().take(2).collect();
        if rest == ["Z", &ours] {
            found.push(stat);
        }
    }
    found
}

/// Cancels the call as soon as the command has put out `ready`.
async fn cancelled(bench: &Bench, command: String) -> (CallOutcome, std::time::Duration) {
    let (context, mut receiver, cancel) = bench.context();
    let tool = bench.toolbox.get("bash").unwrap();
    let run = tool.run(json!({ "command": command }), context);
    let watch = async {
        let mut seen = String::new();
        while let Some(piece) = receiver.recv().await {
            seen.push_str(&piece);
            if seen.contains("ready") {
                break;
            }
        }
        cancel.cancel();
        Instant::now()
    };
    let (output, since) = tokio::join!(run, watch);
    (output, since.elapsed())
}

async fn output_and_exit_code_are_told(bench: Bench) {
    let output = bench.call("bash", json!({"command": "echo out; echo err >&2; echo out2; exit 3"})).await.unwrap();
    assert_eq!(output.result, "out\nerr\nout2\n[exit code 3]");
    assert_eq!(output.exit_code, Some(3));
    let output = bench.call("bash", json!({"command": "true"})).await.unwrap();
    assert_eq!((output.result.as_str(), output.exit_code), ("(no output)", Some(0)));
    let output = bench.call("bash", json!({"command": "kill -SEGV $$"})).await.unwrap();
    assert_eq!(output.exit_code, Some(139));
    assert!(output.result.contains("killed by signal 11"), "{}", output.result);
}

async fn a_command_runs_in_the_workspace_without_input_and_secrets(bench: Bench) {
    bench.write("sub/file", "");
    let root = bench.workspace.root().display().to_string();
    assert_eq!(bench.tell("bash", json!({"command": "pwd; ls"})).await, format!("{root}\nsub\n"));
    assert_eq!(bench.tell("bash", json!({"command": "ls", "workdir": "sub"})).await, "file\n");
    assert!(bench.tell("bash", json!({"command": "ls", "workdir": "../.."})).await.contains("outside the workspace"));
    assert_eq!(bench.tell("bash", json!({"command": "cat; echo $TERM $GIT_TERMINAL_PROMPT"})).await, "dumb 0\n");
    assert_eq!(bench.tell("bash", json!({"command": "echo [$CARGO_MANIFEST_DIR]"})).await, "[]\n");
}

async fn a_renamed_workspace_is_still_the_one_that_was_opened(bench: Bench) {
    bench.write("mine", "");
    std::fs::rename(bench.path(""), bench.dir.path().join("moved")).unwrap();
    std::fs::create_dir(bench.path("")).unwrap();
    bench.write("other", "");
    assert_eq!(bench.tell("bash", json!({"command": "ls"})).await, "mine\n");
}

async fn progress_has_every_byte_in_order(bench: Bench) {
    let (context, mut receiver, _cancel) = bench.context();
    let tool = bench.toolbox.get("bash").unwrap();
    let command = "printf 'a\\xe2'; sleep 0.05; printf '\\x82\\xac'; printf '\\xff'; echo b >&2";
    let collect = async {
        let mut seen = String::new();
        while let Some(piece) = receiver.recv().await {
            seen.push_str(&piece);
        }
        seen
    };
    let (output, seen) = tokio::join!(tool.run(json!({ "command": command }), context), collect);
    assert_eq!(seen, "a€\u{fffd}b\n");
    assert_eq!(output.unwrap().result, seen);
}

async fn fifty_megabytes_cost_a_bounded_result(bench: Bench) {
    let output = bench
        .call("bash", json!({"command": "echo first; yes 0123456789abcdef | head -c 50000000; echo last"}))
        .await
        .unwrap();
    assert!(output.truncated && output.result.len() <= bench.output_limit);
    assert!(output.result.starts_with("first\n") && output.result.ends_with("last\n"));
    let file = output.output_file.unwrap();
    assert!(output.result.contains(&file.display().to_string()));
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (50_000_011, 0o600));
}

async fn a_stray_that_holds_the_pipe_does_not_hold_the_call(bench: Bench) {
    let marker = unique(1);
    let output = bench.call("bash", json!({ "command": format!("sleep {marker} & echo done") })).await.unwrap();
    assert_eq!(output.result, "done\n[1 background process left by the command was stopped]");
    assert_eq!(running(&marker), Vec::<String>::new());
}

async fn what_left_its_group_and_parents_is_stopped_too(bench: Bench) {
    let marker = unique(2);
    bench.write("nap", format!("touch here; exec sleep {marker}\n"));
    let hidden = [
        "setsid sh nap </dev/null >/dev/null 2>&1 &",
        "nohup sh nap >/dev/null 2>&1 &",
        "( ( setsid sh nap >/dev/null 2>&1 & ) & )",
        "( setsid setsid sh nap & ) >/dev/null 2>&1",
        "env -i setsid sh nap >/dev/null 2>&1 &",
        "( env -i $(command -v setsid) sh nap & ) >/dev/null 2>&1",
        "set -m; sh nap >/dev/null 2>&1 & disown",
    ];
    for command in hidden {
        // So that the process is there before the shell ends.
        let whole = format!("{command}\nuntil [ -e here ]; do :; done; rm here; echo ok");
        let result = bench.tell("bash", json!({ "command": whole })).await;
        assert_eq!(running(&marker), Vec::<String>::new(), "{command}");
        assert!(result.starts_with("ok\n[") && result.contains("left by the command"), "{command}: {result}");
        assert_eq!(our_zombies(), Vec::<String>::new(), "{command}");
    }
}

async fn a_cancel_ends_the_whole_tree_in_time(bench: Bench) {
    let marker = unique(3);
    let deaf = format!(
        "trap '' TERM; setsid sleep {marker} & (trap '' TERM; sleep {marker}) & echo ready; wait; wait; sleep {marker}"
    );
    let (output, took) = cancelled(&bench, deaf).await;
    assert_eq!(output, Err(ToolError::Stopped { output: "ready\n".into() }));
    assert_eq!(running(&marker), Vec::<String>::new());
    // P5 gives a turn 3 s from its cancel to its end.
    assert!(took.as_secs_f64() < 3.0, "{took:?}");
    assert_eq!(our_zombies(), Vec::<String>::new());
}

async fn a_process_that_listens_may_say_its_last_words(bench: Bench) {
    let marker = unique(4);
    let polite = format!("trap 'echo bye; exit 0' TERM; echo ready; sleep {marker} & wait");
    let (output, _) = cancelled(&bench, polite).await;
    assert_eq!(output, Err(ToolError::Stopped { output: "ready\nbye\n".into() }));
    assert_eq!(running(&marker), Vec::<String>::new());
}

async fn a_command_that_waits_for_a_slow_engine_can_be_killed(bench: Bench) {
    let (context, receiver, cancel) = bench.context();
    let tool = bench.toolbox.get("bash").unwrap();
    let run = tokio::spawn(async move { tool.run(json!({"command": "while :; do echo ready; done"}), context).await });
    // The engine takes nothing until the way to it is full.
    while receiver.len() < crate::Progress::CAPACITY {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    let output = run.await.unwrap();
    assert!(matches!(&output, Err(ToolError::Stopped { output }) if output.starts_with("ready\n")), "{output:?}");
    drop(receiver);
}

async fn a_time_limit_of_the_call_is_told(bench: Bench) {
    let marker = unique(5);
    let arguments = json!({ "command": format!("echo begun; sleep {marker}"), "timeout": "300" });
    let output = bench.call("bash", arguments).await;
    assert_eq!(output, Err(ToolError::TimedOut { after_ms: 300, output: "begun\n".into() }));
    assert_eq!(running(&marker), Vec::<String>::new());
}

async fn an_abandoned_call_leaves_nothing_running(bench: Bench) {
    let marker = unique(6);
    let (context, mut receiver, _cancel) = bench.context();
    let tool = bench.toolbox.get("bash").unwrap();
    let command = format!("setsid sleep {marker} & echo ready; sleep {marker}");
    {
        let run = tool.run(json!({ "command": command }), context);
        tokio::pin!(run);
        loop {
            tokio::select! {
                _ = &mut run => panic!("the command ended"),
                piece = receiver.recv() => if piece.is_some_and(|piece| piece.contains("ready")) { break },
            }
        }
    }
    // A supervisor sees it a moment later. The shell has the marker too: it may not have come to its last sleep.
    let gone = || wharf_testkit::process::processes_with(&marker).is_empty();
    wharf_testkit::wait_until("the abandoned call's end", std::time::Duration::from_secs(5), gone).await;
}

async fn calls_at_the_same_time_do_not_end_each_other(bench: Bench) {
    let slow = bench.tell("bash", json!({"command": "setsid sleep 0.6; echo slow"}));
    let quick = async {
        for _ in 0..5 {
            bench.tell("bash", json!({"command": "(setsid sleep 30 &) ; echo quick"})).await;
        }
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert_eq!(slow, "slow\n");
}

async fn a_fork_storm_ends(bench: Bench) {
    let marker = unique(7);
    let storm = format!(
        "echo ready; f() {{ sleep {marker} & (setsid bash -c 'sleep {marker} & sleep {marker}' &) ; }}; for i in $(seq 40); do f; done; wait"
    );
    let (output, _) = cancelled(&bench, storm).await;
    assert!(matches!(output, Err(ToolError::Stopped { .. })));
    assert_eq!(running(&marker), Vec::<String>::new());
}

async fn what_cannot_be_run_is_refused_in_words(bench: Bench) {
    assert_eq!(bench.tell("bash", json!({"command": " "})).await, "error: the command is empty");
    assert!(bench.tell("bash", json!({"command": "x".repeat(200_000)})).await.contains("write a script file"));
    let told = bench.tell("bash", json!({"comand": "ls"})).await;
    assert!(told.contains("unknown field `comand`") && told.contains("command (string, required)"), "{told}");
}
