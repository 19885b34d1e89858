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
        "config turn_ms=1000; quiet; prompt m1; calls bash one / bash two; loud; wait 1000; error a cancelled",
        expect![[r#"
        > wait 1000
          t1 tool.call_error b TimedOut "the turn's time was up"
          -> stop a
        > error a cancelled
          t1 tool.call_error a TimedOut "stopped, with everything it had started"
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
        "config turn_ms=1000; quiet; prompt m1; calls bash one; wait 1000; loud; cancel; error a cancelled",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          = cancelling t1
        > error a cancelled
          t1 tool.call_error a TimedOut "stopped, with everything it had started"
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
              -> call model 4: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.]
            > calls bash x
              t1 message.start r4
              t1 message.complete r4 "" d=bash x
              t1 usage.updated turn 440, session 440, context 110
              t1 tool.call_start d `bash x` (mode full)
              -> run d: bash x
            > finish d other
              t1 tool.call_complete d "other" 0 ms
              -> call model 5: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [d] | d other
        "#]],
    );
}

#[test]
fn a_model_that_goes_on_repeating_itself_is_asked_for_and_fails_at_last() {
    check(
        "quiet; prompt m1; calls bash x; finish a same; calls bash x; finish b same; calls bash x; finish c same; calls bash x; finish d same; calls bash x; finish e same; loud; calls bash x; crash; wait 300000; calls bash x",
        expect![[r#"
            > calls bash x
              t1 message.start r6
              t1 message.complete r6 "" f=bash x
              t1 usage.updated turn 660, session 660, context 110
              t1 permission.requested p1 for f: Run bash in /repo: x (mode full; repeats: it gave the same result 5 times in a row) [30000 ms]
              t1 session.status_changed busy -> waiting
            > crash
              t1 turn.resumed attempt 1
            > wait 300000
              t1 permission.resolved p1 TimedOut by None
              t1 tool.call_error f Denied "this call has given the same result again and again, so the user was asked whether to repeat it: nobody allowed it in time. Do not call it again; try something else, or answer with what you know." (p1: no: nobody answered in time)
              t1 session.status_changed waiting -> busy
              -> call model 1: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [d] | d same⏎⏎[This call has given the same result 4 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [e] | e same⏎⏎[This call has given the same result 5 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [f] | f! this call has given the same result again and again, so the user was asked whether to repeat it: nobody allowed it in time. Do not call it again; try something else, or answer with what you know.
            > calls bash x
              t1 message.start r7
              t1 message.complete r7 "" g=bash x
              t1 usage.updated turn 770, session 770, context 110
              t1 tool.call_error g Denied "not run: it repeats what was refused" (no: repeats, and was refused)
              t1 turn.failed Error MODEL_REPEATS "the model repeats the same calls with the same results: it was told, nobody let it go on, and it tried once more. Say in a new prompt what it should do instead, or use another model." after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn a_repetition_that_the_user_allows_goes_on() {
    check(
        "quiet; prompt m1; calls bash x; finish a same; calls bash x; finish b same; calls bash x; finish c same; calls bash x; finish d same; calls bash x; finish e same; loud; calls bash x; answer p1 allow_once; finish f same; calls bash x",
        expect![[r#"
            > calls bash x
              t1 message.start r6
              t1 message.complete r6 "" f=bash x
              t1 usage.updated turn 660, session 660, context 110
              t1 permission.requested p1 for f: Run bash in /repo: x (mode full; repeats: it gave the same result 5 times in a row) [30000 ms]
              t1 session.status_changed busy -> waiting
            > answer p1 allow_once
              t1 permission.resolved p1 AllowOnce by None
              t1 tool.call_start f `bash x` (p1: allow_once by a client)
              t1 session.status_changed waiting -> busy
              -> run f: bash x
            > finish f same
              t1 tool.call_complete f "same" 0 ms
              -> call model 7: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [d] | d same⏎⏎[This call has given the same result 4 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [e] | e same⏎⏎[This call has given the same result 5 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [f] | f same
            > calls bash x
              t1 message.start r7
              t1 message.complete r7 "" g=bash x
              t1 usage.updated turn 770, session 770, context 110
              t1 tool.call_start g `bash x` (mode full)
              -> run g: bash x
        "#]],
    );
}

#[test]
fn a_refused_repetition_may_be_tried_after_something_new() {
    check(
        "quiet; prompt m1; calls bash x; finish a same; calls bash x; finish b same; calls bash x; finish c same; calls bash x; finish d same; calls bash x; finish e same; loud; calls bash x; answer p1 reject_once; calls bash y; finish g new; calls bash x",
        expect![[r#"
            > calls bash x
              t1 message.start r6
              t1 message.complete r6 "" f=bash x
              t1 usage.updated turn 660, session 660, context 110
              t1 permission.requested p1 for f: Run bash in /repo: x (mode full; repeats: it gave the same result 5 times in a row) [30000 ms]
              t1 session.status_changed busy -> waiting
            > answer p1 reject_once
              t1 permission.resolved p1 RejectOnce by None
              t1 tool.call_error f Denied "this call has given the same result again and again, so the user was asked whether to repeat it: a client refused this call; it did not run. Do not call it again; try something else, or answer with what you know." (p1: no: reject_once by a client)
              t1 session.status_changed waiting -> busy
              -> call model 7: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [d] | d same⏎⏎[This call has given the same result 4 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [e] | e same⏎⏎[This call has given the same result 5 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [f] | f! this call has given the same result again and again, so the user was asked whether to repeat it: a client refused this call; it did not run. Do not call it again; try something else, or answer with what you know.
            > calls bash y
              t1 message.start r7
              t1 message.complete r7 "" g=bash y
              t1 usage.updated turn 770, session 770, context 110
              t1 tool.call_start g `bash y` (mode full)
              -> run g: bash y
            > finish g new
              t1 tool.call_complete g "new" 0 ms
              -> call model 8: user do m1 | agent [a] | a same | agent [b] | b same | agent [c] | c same⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [d] | d same⏎⏎[This call has given the same result 4 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [e] | e same⏎⏎[This call has given the same result 5 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.] | agent [f] | f! this call has given the same result again and again, so the user was asked whether to repeat it: a client refused this call; it did not run. Do not call it again; try something else, or answer with what you know. | agent [g] | g new
            > calls bash x
              t1 message.start r8
              t1 message.complete r8 "" h=bash x
              t1 usage.updated turn 880, session 880, context 110
              t1 tool.call_start h `bash x` (mode full)
              -> run h: bash x
        "#]],
    );
}

#[test]
fn calls_in_turn_are_noticed_too() {
    check(
        "config steps=30; quiet; prompt m1; calls bash x; finish a X; calls read y; finish b Y; calls bash x; finish c X; calls read y; finish d Y; calls bash x; finish e X; loud; calls read y; finish f Y; quiet; calls bash x; finish g X; calls read y; finish h Y; calls bash x; finish i X; calls read y; finish j Y; loud; calls bash x",
        expect![[r#"
            > calls read y
              t1 message.start r6
              t1 message.complete r6 "" f=read y
              t1 usage.updated turn 660, session 660, context 110
              t1 tool.call_start f `read y` at /repo/y (mode full)
              -> run f: read y
            > finish f Y
              t1 tool.call_complete f "Y" 0 ms
              -> call model 7: user do m1 | agent [a] | a X | agent [b] | b Y | agent [c] | c X | agent [d] | d Y | agent [e] | e X | agent [f] | f Y⏎⏎[These calls have given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.]
            > calls bash x
              t1 message.start r11
              t1 message.complete r11 "" k=bash x
              t1 usage.updated turn 1210, session 1210, context 110
              t1 permission.requested p1 for k: Run bash in /repo: x (mode full; repeats: 2 calls in turn gave the same results 5 times in a row) [30000 ms]
              t1 session.status_changed busy -> waiting
        "#]],
    );
}

#[test]
fn reads_of_one_reply_count_in_any_order() {
    check(
        "quiet; prompt m1; calls read x / read y; finish a X; finish b Y; calls read x / read y; finish d Y; finish c X; calls read x / read y; finish e X; loud; finish f Y",
        expect![[r#"
            > finish f Y
              t1 tool.call_complete f "Y" 0 ms
              -> call model 4: user do m1 | agent [a b] | a X | b Y | agent [c d] | c X | d Y | agent [e f] | e X | f Y⏎⏎[This call has given the same result 3 times in a row. Try something else, or say what is missing. To wait for something that runs in the background, use command_output with wait_ms.]
        "#]],
    );
}

#[test]
fn other_results_are_no_repetition() {
    check(
        "quiet; prompt m1; calls bash x; finish a 0; calls bash x; finish b 1; calls bash x; finish c 2; calls bash x; finish d 3; calls bash x; finish e 4; loud; calls bash x",
        expect![[r#"
            > calls bash x
              t1 message.start r6
              t1 message.complete r6 "" f=bash x
              t1 usage.updated turn 660, session 660, context 110
              t1 tool.call_start f `bash x` (mode full)
              -> run f: bash x
        "#]],
    );
}
