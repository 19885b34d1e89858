//! What the model is shown: paired, trimmed, cleared.

use expect_test::expect;

use super::script::check;

#[test]
fn old_results_are_left_out_near_the_limit() {
    check(
        "context 3000; quiet; prompt m1; calls read a; finish a bytes=4000; calls read b; finish b bytes=1000; calls read c; loud; finish c bytes=1000; crash",
        expect![[r#"
        > context 3000
        > finish c bytes=1000
          t1 tool.call_complete c ".." 0 ms
          t1 context.compacted 2577 -> 1577 through 10
          -> call model 4: user do m1 | agent [a] | a [output of 4000 bytes left out to save space] | agent [b] | b .. | agent [c] | c 
        > crash
          t1 turn.resumed attempt 1
          -> call model 1: user do m1 | agent [a] | a [output of 4000 bytes left out to save space] | agent [b] | b .. | agent [c] | c 
    "#]],
    );
}

#[test]
fn the_newest_results_are_kept() {
    check(
        "context 1200; quiet; prompt m1; calls read a / read b; loud; finish a bytes=300; finish b bytes=300",
        expect![[r#"
        > context 1200
        > finish a bytes=300
          t1 tool.call_complete a "..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" 0 ms
        > finish b bytes=300
          t1 tool.call_complete b "..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" 0 ms
          -> call model 2: user do m1 | agent [a b] | a ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | b ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    "#]],
    );
}

#[test]
fn a_request_that_did_not_fit_is_made_smaller_once() {
    check(
        "quiet; prompt m1; calls read a / read b / read c; finish a bytes=300; finish b bytes=301; finish c bytes=302; loud; fail overflow; fail overflow",
        expect![[r#"
        > fail overflow
          t1 context.compacted 1294 -> 1219 through 12
          -> call model 3: user do m1 | agent [a b c] | a [output of 300 bytes left out to save space] | b ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | c ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        > fail overflow
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_request_that_cannot_be_made_smaller_fails() {
    check(
        "quiet; prompt m1; loud; fail overflow",
        expect![[r#"
        > fail overflow
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn withdrawn_prompts_are_not_in_it() {
    check(
        "quiet; prompt m1; prompt m2; prompt m3; withdraw m2; loud; done",
        expect![[r#"
        > done
          t1 message.start r1
          t1 message.complete r1 ""
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "" 110 tokens, 0 ms
          t3 prompt.started m3
          t3 turn.started m3 demo/one
          -> call model 2: user do m1 | user do m3
    "#]],
    );
}

#[test]
fn prompts_stand_where_they_started() {
    check(
        "quiet; prompt m1; prompt m2 low; prompt m3 high; text one; done; text two; loud; done",
        expect![[r#"
        > done
          t3 message.complete r2 "two"
          t3 usage.updated turn 110, session 220, context 110
          t3 turn.completed EndTurn "two" 110 tokens, 0 ms
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          -> call model 3: user do m1 | agent one | user do m3 | agent two | user do m2
    "#]],
    );
}

#[test]
fn an_unfinished_message_stays() {
    check(
        "quiet; prompt m1; text Half; cancel; loud; prompt m2",
        expect![[r#"
        > prompt m2
          t2 prompt.received m2
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          t2 session.status_changed cancelled -> busy
          -> call model 2: user do m1 | agent! Half | user do m2
          = t2, seq 13
    "#]],
    );
}
