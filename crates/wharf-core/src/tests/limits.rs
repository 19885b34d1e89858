//! Limits of a turn, and repetition.

use expect_test::expect;

use super::script::check;

#[test]
fn steps() {
    check(
        "config steps=2; quiet; prompt m1; calls read a; finish a ok; loud; calls read b; finish b ok",
        expect![[r#"
        > calls read b
          t1 message.start r2
          t1 message.complete r2 "" b=read b
          t1 usage.updated turn 220, session 220, context 110
          t1 tool.call_start b `read b` at /repo/b (mode full)
          -> run b: read b
        > finish b ok
          t1 tool.call_complete b "ok" 0 ms
          t1 turn.completed MaxTurnRequests "" 220 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn tokens() {
    check(
        "config tokens=200; quiet; prompt m1; calls read a; finish a ok; loud; calls read b; finish b ok",
        expect![[r#"
        > calls read b
          t1 message.start r2
          t1 message.complete r2 "" b=read b
          t1 usage.updated turn 220, session 220, context 110
          t1 tool.call_start b `read b` at /repo/b (mode full)
          -> run b: read b
        > finish b ok
          t1 tool.call_complete b "ok" 0 ms
          t1 turn.completed MaxTokens "" 220 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn tokens_do_not_cut_a_turn_that_is_done() {
    check(
        "config tokens=50; quiet; prompt m1; text ok; loud; done",
        expect![[r#"
        > done
          t1 message.complete r1 "ok"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn time_with_the_model() {
    check(
        "config turn_ms=1000; quiet; prompt m1; text Half; loud; wait 999; wait 1; done",
        expect![[r#"
        > wait 999
        > wait 1
          t1 message.error r1 "Half": the turn's time was up
          t1 turn.failed TimedOut TIMEOUT "the turn took longer than 1000 ms" after "Half"
          session.status_changed busy -> error
          agent.idle
          -> stop model 1
        > done
    "#]],
    );
}

#[test]
fn time_with_calls() {
    check(
        "config turn_ms=1000; quiet; prompt m1; calls bash one / bash two; loud; wait 1000; error a cancelled stopped",
        expect![[r#"
        > wait 1000
          t1 tool.call_error b TimedOut "the turn's time was up"
          -> stop a
        > error a cancelled stopped
          t1 tool.call_error a TimedOut "stopped"
          t1 turn.failed TimedOut TIMEOUT "the turn took longer than 1000 ms" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn time_with_a_call_that_does_not_stop() {
    check(
        "config turn_ms=1000; quiet; prompt m1; calls bash one; loud; wait 4000",
        expect![[r#"
        > wait 4000
          -> stop a
          t1 tool.call_error a TimedOut "the call's time was up, and it did not stop"
          t1 turn.failed TimedOut TIMEOUT "the turn took longer than 1000 ms" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn time_while_waiting_to_retry() {
    check(
        "config turn_ms=100; quiet; prompt m1; fail overloaded; loud; wait 1000",
        expect![[r#"
        > wait 1000
          t1 turn.failed TimedOut TIMEOUT "the turn took longer than 100 ms" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn cancelling_a_turn_whose_time_is_up() {
    check(
        "config turn_ms=1000; quiet; prompt m1; calls bash one; wait 1000; loud; cancel; error a cancelled stopped",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          = cancelling t1
        > error a cancelled stopped
          t1 tool.call_error a TimedOut "stopped"
          t1 turn.cancelled "" by Some("ann"), 1000 ms
          session.status_changed busy -> cancelled
          agent.idle
    "#]],
    );
}

#[test]
fn the_model_is_told_that_it_repeats_itself() {
    check(
        "quiet; prompt m1; calls bash x; finish a same; calls bash x; finish b same; calls bash x; loud; finish c same; calls bash x; finish d other",
        expect![[r#"
        > finish c same
          t1 tool.call_complete c "same" 0 ms
          -> call model 4: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing.]
        > calls bash x
          t1 message.start r4
          t1 message.complete r4 "" d=bash x
          t1 usage.updated turn 440, session 440, context 110
          t1 tool.call_start d `bash x` (mode full)
          -> run d: bash x
        > finish d other
          t1 tool.call_complete d "other" 0 ms
          -> call model 5: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing.] | agent [d] | d other
    "#]],
    );
}

#[test]
fn a_model_that_goes_on_repeating_itself_fails() {
    check(
        "quiet; prompt m1; calls bash x; finish a same; calls bash x; finish b same; calls bash x; finish c same; calls bash x; finish d same; calls bash x; finish e same; calls bash x; loud; finish f same",
        expect![[r#"
        > finish f same
          t1 tool.call_complete f "same" 0 ms
          t1 turn.failed Error PROVIDER_ERROR "the model repeats itself: 6 equal calls with equal results in a row" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}
