//! Tool calls: order, outcomes, time limits, direct calls.

use expect_test::expect;

use wharf_protocol::Mode;

use super::bench::{Bench, config};
use super::script::check;

#[test]
fn reads_run_side_by_side_and_others_in_order() {
    check(
        "quiet; prompt m1; loud; calls read a / read b / edit c / read d / bash ls; finish b B; finish a A; finish c C; finish d D; finish e E",
        expect![[r#"
        > calls read a / read b / edit c / read d / bash ls
          t1 message.start r1
          t1 message.complete r1 "" a=read a b=read b c=edit c d=read d e=bash ls
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_start a `read a` at /repo/a (mode full)
          t1 tool.call_start b `read b` at /repo/b (mode full)
          -> run a: read a
          -> run b: read b
        > finish b B
          t1 tool.call_complete b "B" 0 ms
        > finish a A
          t1 tool.call_complete a "A" 0 ms
          t1 tool.call_start c `edit c` at /repo/c (mode full)
          -> run c: edit c
        > finish c C
          t1 tool.call_complete c "C" 0 ms
          t1 tool.call_start d `read d` at /repo/d (mode full)
          -> run d: read d
        > finish d D
          t1 tool.call_complete d "D" 0 ms
          t1 tool.call_start e `bash ls` (mode full)
          -> run e: bash ls
        > finish e E
          t1 tool.call_complete e "E" 0 ms
          -> call model 2: user do m1 | agent [a b c d e] | a A | b B | c C | d D | e E
    "#]],
    );
}

#[test]
fn results_stand_in_the_order_of_the_calls() {
    check(
        "quiet; prompt m1; calls read a / read b / read c; finish c C; finish a A; loud; finish b B",
        expect![[r#"
        > finish b B
          t1 tool.call_complete b "B" 0 ms
          -> call model 2: user do m1 | agent [a b c] | a A | b B | c C
    "#]],
    );
}

#[test]
fn arguments_that_cannot_be_read_are_never_run() {
    check(
        r#"quiet; prompt m1; loud; calls bash !{"command": "rm / read a; finish b ok"#,
        expect![[r#"
        > calls bash !{"command": "rm / read a
          t1 message.start r1
          t1 message.complete r1 "" a=bash {} b=read a
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_error a Failed "arguments were not a JSON object: {\"command\": \"rm (it ends before the JSON does)"
          t1 tool.call_start b `read a` at /repo/a (mode full)
          -> run b: read a
        > finish b ok
          t1 tool.call_complete b "ok" 0 ms
          -> call model 2: user do m1 | agent [a b] | a! arguments were not a JSON object: {"command": "rm (it ends before the JSON does) | b ok
    "#]],
    );
}

#[test]
fn an_unknown_tool_is_answered_with_the_known_ones() {
    check(
        "quiet; prompt m1; loud; calls grep x",
        expect![[r#"
        > calls grep x
          t1 message.start r1
          t1 message.complete r1 "" a=grep x
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_error a Failed "there is no tool grep; the tools are: read, edit, bash, think"
          -> call model 2: user do m1 | agent [a] | a! there is no tool grep; the tools are: read, edit, bash, think
    "#]],
    );
}

#[test]
fn no_call_of_a_reply_that_ran_out_of_tokens_runs() {
    check(
        r#"quiet; prompt m1; text Hi; loud; cut bash ls / bash !{"command"; calls bash ls; finish c ok; cut bash x; cut bash y"#,
        expect![[r#"
            > cut bash ls / bash !{"command"
              t1 message.complete r1 "Hi" a=bash ls b=bash {}
              t1 usage.updated turn 110, session 110, context 110
              t1 tool.call_error a Failed "the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file."
              t1 tool.call_error b Failed "the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file."
              -> call model 2: user do m1 | agent Hi [a b] | a! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file. | b! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file.
            > calls bash ls
              t1 message.start r2
              t1 message.complete r2 "" c=bash ls
              t1 usage.updated turn 220, session 220, context 110
              t1 tool.call_start c `bash ls` (mode full)
              -> run c: bash ls
            > finish c ok
              t1 tool.call_complete c "ok" 0 ms
              -> call model 3: user do m1 | agent Hi [a b] | a! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file. | b! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file. | agent [c] | c ok
            > cut bash x
              t1 message.start r3
              t1 message.complete r3 "" d=bash x
              t1 usage.updated turn 330, session 330, context 110
              t1 tool.call_error d Failed "the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file."
              -> call model 4: user do m1 | agent Hi [a b] | a! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file. | b! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file. | agent [c] | c ok | agent [d] | d! the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file.
            > cut bash y
              t1 message.start r4
              t1 message.complete r4 "" e=bash y
              t1 usage.updated turn 440, session 440, context 110
              t1 tool.call_error e Failed "the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: fewer calls in one reply, and a long file in several calls, the first with write_file and the others with edit_file."
              t1 turn.failed MaxTokens MODEL_REPLY_UNUSABLE "twice in a row the model's reply was cut off at the output limit in the middle of its tool calls, the second time after it was told to write in smaller pieces. Raise the output limit on the model's server, lower `thinking` (reasoning counts against the limit), ask for smaller steps, or use a model that may write more." after "Hi"
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn output_comes_with_offsets() {
    check(
        "quiet; prompt m1; calls bash ls; loud; progress a é; progress a bc; error a failed exit 1",
        expect![[r#"
        > progress a é
          t1 tool.call_progress a 0+"é"
        > progress a bc
          t1 tool.call_progress a 2+"bc"
        > error a failed exit 1
          t1 tool.call_error a Failed "exit 1"
          -> call model 2: user do m1 | agent [a] | a! exit 1
    "#]],
    );
}

#[test]
fn a_plan_is_an_event() {
    check(
        "quiet; prompt m1; calls think x; loud; plan a",
        expect![[r#"
        > plan a
          t1 tool.call_complete a "planned" 0 ms
          t1 plan.updated 1 entries
          -> call model 2: user do m1 | agent [a] | a planned
    "#]],
    );
}

#[test]
fn an_empty_result_is_shown_as_such() {
    check(
        "quiet; prompt m1; calls bash true; loud; finish a",
        expect![[r#"
        > finish a
          t1 tool.call_complete a "" 0 ms
          -> call model 2: user do m1 | agent [a] | a (no output)
    "#]],
    );
}

#[test]
fn a_call_that_overstays_is_stopped_and_then_closed() {
    check(
        "quiet; prompt m1; calls bash sleep; progress a zzz; loud; wait 14999; wait 1; wait 2999; wait 1; finish a late; progress a late",
        expect![[r#"
        > wait 14999
        > wait 1
          -> stop a
        > wait 2999
        > wait 1
          t1 tool.call_error a TimedOut "the call's time was up, and it did not stop" output "zzz"
          -> call model 2: user do m1 | agent [a] | a! the call's time was up, and it did not stop⏎⏎Output so far:⏎zzz
        > finish a late
        > progress a late
    "#]],
    );
}

#[test]
fn a_call_that_stops_at_its_deadline_timed_out() {
    check(
        "quiet; prompt m1; calls bash sleep; wait 15000; loud; error a cancelled",
        expect![[r#"
        > error a cancelled
          t1 tool.call_error a TimedOut "stopped, with everything it had started"
          -> call model 2: user do m1 | agent [a] | a! stopped, with everything it had started
    "#]],
    );
}

#[test]
fn a_direct_call_needs_no_turn() {
    check(
        "execute bash ls; progress a x; finish a ok; prompt m1",
        expect![[r#"
        > execute bash ls
          tool.call_start a `bash ls` (mode full)
          -> run a: bash ls
          = call a
        > progress a x
          tool.call_progress a 0+"x"
        > finish a ok
          tool.call_complete a "ok" 0 ms
        > prompt m1
          t1 prompt.received m1
          t1 prompt.started m1
          t1 turn.started m1 demo/one
          t1 session.status_changed idle -> busy
          -> call model 1: user do m1
          = t1, seq 5
    "#]],
    );
}

#[test]
fn a_direct_call_runs_beside_a_turn() {
    check(
        "quiet; prompt m1; calls bash one; loud; execute bash two; finish b 2; finish a 1",
        expect![[r#"
        > execute bash two
          tool.call_start b `bash two` (mode full)
          -> run b: bash two
          = call b
        > finish b 2
          tool.call_complete b "2" 0 ms
        > finish a 1
          t1 tool.call_complete a "1" 0 ms
          -> call model 2: user do m1 | agent [a] | a 1
    "#]],
    );
}

#[test]
fn a_direct_call_is_subject_to_the_policy() {
    check(
        "config mode=ask; rule deny bash rm *; execute bash rm -rf /; execute bash ls; answer p1 allow_once ann; execute grep x; execute bash pwd; answer p2 reject_once",
        expect![[r#"
        > execute bash rm -rf /
          tool.call_error a Denied "not allowed (rule deny bash `rm *`); it did not run. Do it another way, or say what is missing." (no: rule deny bash `rm *`)
          = call a
        > execute bash ls
          permission.requested p1 for b: Run bash in /repo: ls (mode ask) [30000 ms]
          = call b
        > answer p1 allow_once ann
          permission.resolved p1 AllowOnce by Some("ann")
          tool.call_start b `bash ls` (p1: allow_once by ann)
          -> run b: bash ls
        > execute grep x
          = refused: no tool grep
        > execute bash pwd
          permission.requested p2 for c: Run bash in /repo: pwd (mode ask) [30000 ms]
          = call c
        > answer p2 reject_once
          permission.resolved p2 RejectOnce by None
          tool.call_error c Denied "a client refused this call; it did not run" (p2: no: reject_once by a client)
    "#]],
    );
}

#[test]
fn a_direct_call_has_its_time_limit() {
    check(
        "execute bash sleep; wait 15000; wait 3000",
        expect![[r#"
        > execute bash sleep
          tool.call_start a `bash sleep` (mode full)
          -> run a: bash sleep
          = call a
        > wait 15000
          -> stop a
        > wait 3000
          tool.call_error a TimedOut "the call's time was up, and it did not stop"
    "#]],
    );
}

#[test]
fn titles_and_places_are_short_and_absolute() {
    check(
        "quiet; prompt m1; loud; calls read src/../a/./b.txt; finish a ok; calls bash one\n  two; finish b ok; calls bash xxxxxxxxxx0xxxxxxxxx1xxxxxxxxx2xxxxxxxxx3xxxxxxxxx4xxxxxxxxx5xxxxxxxxx6xxxxxxxxx7xxxxxxxxx8xxxxxxxxx9xxxxxxxxx0xxxxxxxxx1xxxx",
        expect![[r#"
        > calls read src/../a/./b.txt
          t1 message.start r1
          t1 message.complete r1 "" a=read src/../a/./b.txt
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_start a `read src/../a/./b.txt` at /repo/a/b.txt (mode full)
          -> run a: read src/../a/./b.txt
        > finish a ok
          t1 tool.call_complete a "ok" 0 ms
          -> call model 2: user do m1 | agent [a] | a ok
        > calls bash one
          two
          t1 message.start r2
          t1 message.complete r2 "" b=bash one
          two
          t1 usage.updated turn 220, session 220, context 110
          t1 tool.call_start b `bash one two` (mode full)
          -> run b: bash one
          two
        > finish b ok
          t1 tool.call_complete b "ok" 0 ms
          -> call model 3: user do m1 | agent [a] | a ok | agent [b] | b ok
        > calls bash xxxxxxxxxx0xxxxxxxxx1xxxxxxxxx2xxxxxxxxx3xxxxxxxxx4xxxxxxxxx5xxxxxxxxx6xxxxxxxxx7xxxxxxxxx8xxxxxxxxx9xxxxxxxxx0xxxxxxxxx1xxxx
          t1 message.start r3
          t1 message.complete r3 "" c=bash xxxxxxxxxx0xxxxxxxxx1xxxxxxxxx2xxxxxxxxx3xxxxxxxxx4xxxxxxxxx5xxxxxxxxx6xxxxxxxxx7xxxxxxxxx8xxxxxxxxx9xxxxxxxxx0xxxxxxxxx1xxxx
          t1 usage.updated turn 330, session 330, context 110
          t1 tool.call_start c `bash xxxxxxxxxx0xxxxxxxxx1xxxxxxxxx2xxxxxxxxx3xxxxxxxxx4xxxxxxxxx5xxxxxxxxx6xxxxxxxxx7xxxxxxxxx8xxxxxxxxx9xxxxxxxxx0xxx…` (mode full)
          -> run c: bash xxxxxxxxxx0xxxxxxxxx1xxxxxxxxx2xxxxxxxxx3xxxxxxxxx4xxxxxxxxx5xxxxxxxxx6xxxxxxxxx7xxxxxxxxx8xxxxxxxxx9xxxxxxxxx0xxxxxxxxx1xxxx
    "#]],
    );
}

#[test]
fn unreadable_arguments_are_told_with_their_reason_and_nothing_hidden() {
    let told = |raw: &str| crate::state::not_an_object(raw).told;
    assert_eq!(
        told("{\"command\":\"a \\\nb\"}"),
        "arguments were not a JSON object: {\"command\":\"a \\\\nb\"} (invalid escape at character 16: `\\n` between `{\"command\":\"a \\` \
         and `b\"}`)"
    );
    assert_eq!(told("[1]"), "arguments were not a JSON object: [1] (it is a list)");
    assert_eq!(told(""), "arguments were not a JSON object:  (the reply ended before they did)");
    assert!(told(&"[".repeat(100_000)).ends_with("(it is nested deeper than 127 levels)"));
}

#[test]
fn a_call_is_looked_at_before_it_is_decided_and_bound_to_what_was_seen() {
    use crate::{Effect, Input};
    use wharf_protocol::{Seen, SeenPath};
    let mut config = config();
    config.looks_at_calls = true;
    let mut bench = Bench::new(config, Mode::Ask, 7);
    let execute = |tool_name: &str| Input::Execute {
        tool_name: tool_name.to_owned(),
        arguments: serde_json::json!({ "path": "a" }),
        by: None,
    };
    let seen =
        || Seen { paths: vec![SeenPath { name: "b".to_owned(), absolute: "/real/b".to_owned() }], ..Seen::default() };
    // A read: looked at once, then run, bound to where it led.
    let looked = bench.handle(execute("read"));
    assert!(looked.events.is_empty(), "nothing is decided yet");
    let [Effect::LookAtCall { call_id, preview: false, .. }] = &looked.effects[..] else { panic!("{looked:?}") };
    let ran = bench.handle(Input::CallSeen { call_id: call_id.clone(), seen: seen() });
    let [Effect::RunCall { bound, .. }] = &ran.effects[..] else { panic!("{ran:?}") };
    assert_eq!(bound.paths.as_deref(), Some(&["/real/b".to_owned()][..]));
    // An edit that is asked: looked at a second time for its change, and asked even if that shows nothing.
    let looked = bench.handle(execute("edit"));
    let [Effect::LookAtCall { call_id, .. }] = &looked.effects[..] else { panic!("{looked:?}") };
    let again = bench.handle(Input::CallSeen { call_id: call_id.clone(), seen: seen() });
    assert!(matches!(&again.effects[..], [Effect::LookAtCall { preview: true, .. }]), "{again:?}");
    let asked = bench.handle(Input::CallSeen { call_id: call_id.clone(), seen: seen() });
    assert!(asked.effects.is_empty() && bench.core.permissions().len() == 1, "{asked:?}");
    // What was seen too late changes nothing.
    let late = bench.handle(Input::CallSeen { call_id: call_id.clone(), seen: Seen::default() });
    assert!(late.events.is_empty() && late.effects.is_empty());
}

#[test]
fn arguments_that_no_log_could_be_read_back_with_do_not_run() {
    let nested = |levels: usize| (1..levels).fold(serde_json::json!({}), |inner, _| serde_json::json!({ "a": inner }));
    let (arguments, problem) = crate::model::read_arguments(Ok(nested(64)));
    assert!(problem.is_none() && arguments == nested(64));
    let (arguments, problem) = crate::model::read_arguments(Ok(nested(65)));
    assert_eq!(arguments, serde_json::json!({}));
    assert_eq!(problem.unwrap().told, "the arguments are nested deeper than 64 levels; this call did not run");
}
