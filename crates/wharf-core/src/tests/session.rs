//! The session itself: settings, clearing, deleting.

use expect_test::expect;

use wharf_protocol::{EventBody, Mode};

use super::bench::{Bench, config};
use super::script::{check, prompt, reply};
use crate::{Input, message_of};

#[test]
fn only_real_changes_are_events() {
    check(
        "set title=test; set title=new mode=plan archived=true; set title=new",
        expect![[r#"
        > set title=test
        > set title=new mode=plan archived=true
          session.updated new, mode plan, archived true by Some("ann")
        > set title=new
    "#]],
    );
}

#[test]
fn clearing_forgets_what_was_said_and_keeps_the_answers() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash ls; answer p1 allow_always ann; finish a ok; loud; clear; done; clear; crash; prompt m2; calls bash ls",
        expect![[r#"
            > clear
              = refused: a turn is running
            > done
              t1 message.start r2
              t1 message.chunk r2 0+"ok"
              t1 message.complete r2 "ok"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "ok" 220 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > clear
              session.cleared 1 grants kept
              -> truncate through 21
            > crash
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 1: user do m2
              = t2, seq 23
            > calls bash ls
              t2 message.start r3
              t2 message.complete r3 "" b=bash ls
              t2 usage.updated turn 110, session 330, context 110
              t2 tool.call_start b `bash ls` (allow_always by ann, remembered)
              -> run b: bash ls
        "#]],
    );
}

#[test]
fn clearing_waits_for_the_queue() {
    check(
        "quiet; prompt m1; prompt m2; drain; done; loud; clear; cancel clear; clear",
        expect![[r#"
            > clear
              = refused: a turn is running
            > cancel clear
              t2 prompt.withdrawn m2: the queue was cleared
              = nothing to cancel
            > clear
              session.cleared 0 grants kept
              -> truncate through 14
        "#]],
    );
}

#[test]
fn deleting_ends_the_turn_and_then_the_session() {
    check(
        "quiet; prompt m1; calls bash ls; prompt m2; loud; delete; delete; prompt m3; prompt m1; execute bash ls; start a ls; clear; finish a ok; prompt m4; tick; cancel; delete",
        expect![[r#"
            > delete
              t1 turn.cancel_requested by None force true
              t2 prompt.withdrawn m2: the session was deleted
              -> stop a
            > delete
            > prompt m3
              = refused: the session was deleted
            > prompt m1
              = t1, seq 2
            > execute bash ls
              = refused: the session was deleted
            > start a ls
              = refused: the session was deleted
            > clear
              = refused: a turn is running
            > finish a ok
              t1 tool.call_complete a "ok" 0 ms
              t1 turn.cancelled "" by None, 0 ms
              session.status_changed busy -> cancelled
              agent.idle
              session.deleted
              -> delete
            > prompt m4
              = refused: the session was deleted
            > tick
              = refused: the session was deleted
            > cancel
              = refused: the session was deleted
            > delete
              = refused: the session was deleted
        "#]],
    );
}

#[test]
fn deleting_waits_for_commands() {
    check(
        "quiet; prompt m1; calls bash dev; start a dev; finish a ok; done; loud; delete; ended k1 stopped; crash",
        expect![[r#"
            > delete
              -> stop k1
            > ended k1 stopped
              command.ended k1 stopped None 0 ms
              session.deleted
              -> delete
            > crash
        "#]],
    );
}

#[test]
fn deleting_withdraws_what_waits() {
    check(
        "quiet; prompt m1; prompt m2; drain; done; loud; delete",
        expect![[r#"
        > delete
          t2 prompt.withdrawn m2: the session was deleted
          session.deleted
          -> delete
    "#]],
    );
}

#[test]
fn deleting_waits_for_direct_calls() {
    check(
        "quiet; execute bash ls; loud; delete; clear; finish a ok; crash",
        expect![[r#"
        > delete
          -> stop a
        > clear
          = refused: a turn is running
        > finish a ok
          tool.call_complete a "ok" 0 ms
          session.deleted
          -> delete
        > crash
    "#]],
    );
}

#[test]
fn a_deletion_that_a_crash_came_before_is_forgotten() {
    check(
        "quiet; prompt m1; calls bash ls; loud; delete; crash; prompt m2",
        expect![[r#"
        > delete
          t1 turn.cancel_requested by None force true
          -> stop a
        > crash
          t1 tool.call_error a Cancelled "cancelled"
          t1 turn.cancelled "" by None, 0 ms
          session.status_changed busy -> cancelled
          agent.idle
        > prompt m2
          t2 prompt.received m2
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          t2 session.status_changed cancelled -> busy
          -> call model 1: user do m1 | agent [a] | a! cancelled | user do m2
          = t2, seq 15
    "#]],
    );
}

#[test]
fn a_call_of_a_tool_that_went_is_refused() {
    check(
        "quiet; prompt m1; loud; tools read; calls bash ls / read a; finish b ok; tools read bash; calls bash ls",
        expect![[r#"
            > tools read
            > calls bash ls / read a
              t1 message.start r1
              t1 message.complete r1 "" a=bash ls b=read a
              t1 usage.updated turn 110, session 110, context 110
              t1 tool.call_error a Failed "there is no tool bash; the tools are: read"
              t1 tool.call_start b `read a` at /repo/a (mode full)
              -> run b: read a
            > finish b ok
              t1 tool.call_complete b "ok" 0 ms
              -> call model 2: user do m1 | agent [a b] | a! there is no tool bash; the tools are: read | b ok
            > tools read bash
            > calls bash ls
              t1 message.start r2
              t1 message.complete r2 "" c=bash ls
              t1 usage.updated turn 220, session 220, context 110
              t1 tool.call_start c `bash ls` (mode full)
              -> run c: bash ls
        "#]],
    );
}

#[test]
fn a_configuration_holds_from_the_next_turn_on() {
    check(
        "quiet; prompt m1; loud; configured steps=1; calls read a; finish a ok; done; prompt m2; calls read b; finish b ok",
        expect![[r#"
            > configured steps=1
            > calls read a
              t1 message.start r1
              t1 message.complete r1 "" a=read a
              t1 usage.updated turn 110, session 110, context 110
              t1 tool.call_start a `read a` at /repo/a (mode full)
              -> run a: read a
            > finish a ok
              t1 tool.call_complete a "ok" 0 ms
              -> call model 2: user do m1 | agent [a] | a ok
            > done
              t1 message.start r2
              t1 message.chunk r2 0+"ok"
              t1 message.complete r2 "ok"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "ok" 220 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 3: user do m1 | agent [a] | a ok | agent ok | user do m2
              = t2, seq 18
            > calls read b
              t2 message.start r3
              t2 message.complete r3 "" b=read b
              t2 usage.updated turn 110, session 330, context 110
              t2 tool.call_start b `read b` at /repo/b (mode full)
              -> run b: read b
            > finish b ok
              t2 tool.call_complete b "ok" 0 ms
              t2 turn.completed MaxTurnRequests "" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn another_agent_has_its_tools_and_steps_at_once() {
    check(
        "quiet; agent 1 read; prompt m1; loud; calls bash ls",
        expect![[r#"
        > calls bash ls
          t1 message.start r1
          t1 message.complete r1 "" a=bash ls
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_error a Failed "there is no tool bash; the tools are: read"
          t1 turn.completed MaxTurnRequests "" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn so_many_prompts_are_remembered() {
    let mut bench = Bench::new(config(), Mode::Full, 1);
    for index in 0..300 {
        let _ = bench.core.handle(bench.now, prompt(&format!("m{index}")));
        let ask = bench.core.last_ask;
        let _ = bench.core.handle(bench.now, Input::ModelText { ask, text: "ok".to_owned() });
        let _ = bench.core.handle(bench.now, Input::ModelFinished { ask, reply: reply("", Vec::new()) });
    }
    let is_known = |index: u32| bench.core.knows_prompt(&format!("m{index}").parse().unwrap());
    assert_eq!((0..300).filter(|index| is_known(*index)).collect::<Vec<_>>(), (44..300).collect::<Vec<_>>());
}

#[test]
fn history_has_the_turns_and_no_direct_calls() {
    let mut bench = Bench::new(config(), Mode::Full, 1);
    let _ = bench.handle(prompt("m1"));
    let _ = bench.handle(Input::Execute {
        tool_name: "bash".to_owned(),
        arguments: serde_json::json!({ "command": "ls" }),
        by: None,
    });
    let call_id = bench.running[0].clone();
    let outcome = super::script::completed("direct".to_owned(), None);
    let _ = bench.handle(Input::CallFinished { call_id, outcome });
    let ask = bench.core.last_ask;
    let _ = bench.handle(Input::ModelText { ask, text: "Hi".to_owned() });
    let _ = bench.handle(Input::ModelFinished { ask, reply: reply("", Vec::new()) });
    let history: Vec<_> =
        bench.log.iter().filter_map(message_of).map(|message| (message.role, message.content)).collect();
    let shown: Vec<_> = bench.core.messages().iter().map(|message| (message.role, message.content.clone())).collect();
    assert_eq!(history, shown);
    assert!(bench.log.iter().any(|event| matches!(event.body, EventBody::ToolCallComplete(_))));
}

#[test]
fn what_is_told_of_requests_counts_and_is_not_on_the_log() {
    let mut bench = Bench::new(config(), Mode::Ask, 1);
    let before = bench.core.context(false);
    for input in [Input::InstructionsChanged { bytes: 40_000 }, Input::WindowKnown { tokens: Some(65_536), ask: None }]
    {
        let told = bench.handle(input);
        assert_eq!((told.events, told.effects), (Vec::new(), Vec::new()));
    }
    let after = bench.core.context(false);
    assert_eq!((before.window, after.window), (None, Some(65_536)));
    assert!(before.instructions.tokens < 10_000 && after.instructions.tokens > 10_000);
    assert!(after.expected > before.expected + 10_000, "{} after {}", after.expected, before.expected);
}
