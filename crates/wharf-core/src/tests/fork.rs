//! Copies of sessions: what is taken over, and how what was open ends.

use expect_test::expect;

use super::script::{check, run};

#[test]
fn a_copy_of_an_idle_session_ends_as_it_does() {
    check(
        "quiet; prompt m1; text Hello; done; loud; fork; forks",
        expect![[r#"
        > fork
        > forks
    "#]],
    );
}

#[test]
fn a_text_that_was_streaming_is_cut_off() {
    check(
        "quiet; prompt m1; think Hm; text Half; prompt m2; loud; fork",
        expect![[r#"
        > fork
          t2 prompt.withdrawn m2: not taken over into the copy of the session
          t1 message.error r1 "Half": interrupted
          t1 turn.failed Interrupted UNAVAILABLE "the session was copied in the middle of the turn, which does not go on in the copy" after "Half"
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_call_that_had_begun_gets_its_outcome() {
    check(
        "quiet; prompt m1; calls bash make / bash test; progress a so far; loud; fork",
        expect![[r#"
        > fork
          t1 tool.call_error a Interrupted "the session was copied while this call ran. It may have run in part or in whole; it was not run again here. Look at what it has done before you repeat it." output "so far"
          t1 tool.call_error b Interrupted "interrupted"
          t1 turn.failed Interrupted UNAVAILABLE "the session was copied in the middle of the turn, which does not go on in the copy" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn an_open_question_is_closed() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash make; loud; fork",
        expect![[r#"
        > fork
          t1 permission.resolved p1 Cancelled by None
          t1 tool.call_error a Interrupted "interrupted"
          t1 turn.failed Interrupted UNAVAILABLE "the session was copied in the middle of the turn, which does not go on in the copy" after ""
          session.status_changed waiting -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_call_of_a_client_is_closed() {
    check(
        "quiet; execute bash make; loud; fork",
        expect![[r#"
        > fork
          tool.call_error a Interrupted "the session was copied while this call ran. It may have run in part or in whole; it was not run again here. Look at what it has done before you repeat it."
    "#]],
    );
}

#[test]
fn a_prompt_that_had_hardly_started_is_withdrawn() {
    check(
        "quiet; prompt m1; loud; fork 2; fork 3; fork 4",
        expect![[r#"
        > fork 2
          t1 prompt.withdrawn m1: not taken over into the copy of the session
        > fork 3
          t1 prompt.withdrawn m1: not taken over into the copy of the session
        > fork 4
          t1 turn.failed Interrupted UNAVAILABLE "the session was copied in the middle of the turn, which does not go on in the copy" after ""
          session.status_changed idle -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_turn_that_was_being_cancelled_is_cancelled() {
    check(
        "quiet; prompt m1; calls bash make; cancel; loud; fork",
        expect![[r#"
        > fork
          t1 tool.call_error a Interrupted "the session was copied while this call ran. It may have run in part or in whole; it was not run again here. Look at what it has done before you repeat it."
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
    "#]],
    );
}

#[test]
fn every_copy_of_many_sessions_is_quiet() {
    for script in [
        "prompt m1; calls read a / read b; finish a x; finish b y; text Done; done; prompt m2; forks",
        "config mode=ask; prompt m1; calls bash a; answer p1 allow_always ann; finish a x; done; prompt m2; calls bash a; forks",
        "prompt m1; prompt m2 high; prompt m3 steer; text a; priority m2 low; crash; text b; done; done; forks",
        "prompt m1; calls bash serve; start a ./serve; finish a x; done; forks; ended k1 exited 0; forks",
        "prompt m1; text a; fail overloaded; wait 20000; done; set model=demo/two; clear; prompt m2; text b; forks",
        "config recovery=interrupt; prompt m1; calls bash a; crash; prompt m2; cancel; forks; drain; forks",
    ] {
        run(script);
    }
}
