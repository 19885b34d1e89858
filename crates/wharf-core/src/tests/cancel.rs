//! Cancelling: nothing starts afterwards, and one end.

use expect_test::expect;

use super::script::check;

#[test]
fn cancelling_stops_the_model_and_keeps_the_text() {
    check(
        "quiet; prompt m1; text Half; loud; cancel; text late; done; prompt m2",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 message.error r1 "Half": cancelled
          t1 turn.cancelled "Half" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          = cancelling t1
        > text late
        > done
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

#[test]
fn cancelling_before_the_first_word() {
    check(
        "quiet; prompt m1; loud; cancel",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          = cancelling t1
    "#]],
    );
}

#[test]
fn cancelling_in_the_middle_of_a_thought() {
    check(
        "quiet; prompt m1; think Hm; loud; cancel",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 message.start r1
          t1 message.error r1 "": cancelled
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          = cancelling t1
    "#]],
    );
}

#[test]
fn cancelling_waits_for_calls_to_stop() {
    check(
        "quiet; prompt m1; calls bash one / bash two; loud; cancel; cancel; error a cancelled; cancel",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 tool.call_error b Cancelled "cancelled"
          -> stop a
          = cancelling t1
        > cancel
          = cancelling t1
        > error a cancelled
          t1 tool.call_error a Cancelled "stopped, with everything it had started"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
        > cancel
          = nothing to cancel
    "#]],
    );
}

#[test]
fn a_call_that_was_done_stays_done() {
    check(
        "quiet; prompt m1; calls read a / read b; loud; cancel; finish a ok; error b cancelled",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          -> stop a
          -> stop b
          = cancelling t1
        > finish a ok
          t1 tool.call_complete a "ok" 0 ms
        > error b cancelled
          t1 tool.call_error b Cancelled "stopped, with everything it had started"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
    "#]],
    );
}

#[test]
fn a_call_that_does_not_stop_is_left_behind() {
    check(
        "quiet; prompt m1; calls bash one; progress a some; loud; cancel; wait 2999; wait 1; finish a late",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          -> stop a
          = cancelling t1
        > wait 2999
        > wait 1
          t1 tool.call_error a Cancelled "cancelled; the call did not stop in time" output "some"
          t1 turn.cancelled "" by Some("ann"), 3000 ms
          session.status_changed busy -> cancelled
          agent.idle
        > finish a late
    "#]],
    );
}

#[test]
fn cancelling_closes_open_questions() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash one / read b; loud; cancel; answer p1 allow_once; error b cancelled",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 permission.resolved p1 Cancelled by None
          t1 tool.call_error a Cancelled "cancelled"
          t1 tool.call_error b Cancelled "cancelled"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed waiting -> cancelled
          agent.idle
          = cancelling t1
        > answer p1 allow_once
          = refused: p1 is Cancelled by None
        > error b cancelled
    "#]],
    );
}

#[test]
fn cancelling_while_waiting_to_retry() {
    check(
        "quiet; prompt m1; fail overloaded; loud; cancel; wait 10000",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          = cancelling t1
        > wait 10000
    "#]],
    );
}

#[test]
fn the_next_prompt_starts_after_a_cancelled_turn() {
    check(
        "quiet; prompt m1; prompt m2; loud; cancel",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 turn.cancelled "" by Some("ann"), 0 ms
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          -> stop model 1
          -> call model 2: user do m1 | user do m2
          = cancelling t1
    "#]],
    );
}

#[test]
fn the_queue_can_be_cleared_with_it() {
    check(
        "quiet; prompt m1; prompt m2; prompt m3; loud; cancel clear",
        expect![[r#"
        > cancel clear
          t1 turn.cancel_requested by Some("ann") force false
          t2 prompt.withdrawn m2: the queue was cleared
          t3 prompt.withdrawn m3: the queue was cleared
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          = cancelling t1
    "#]],
    );
}

#[test]
fn force_also_stops_direct_calls() {
    check(
        "config mode=ask; rule allow bash one; quiet; execute bash one; execute bash two; prompt m1; prompt m2; loud; cancel force; cancel force; error a cancelled",
        expect![[r#"
        > cancel force
          t1 turn.cancel_requested by Some("ann") force true
          t2 prompt.withdrawn m2: the queue was cleared
          permission.resolved p1 Cancelled by None
          tool.call_error b Cancelled "cancelled"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          -> stop a
          = cancelling t1
        > cancel force
          = nothing to cancel
        > error a cancelled
          tool.call_error a Cancelled "stopped, with everything it had started"
    "#]],
    );
}

#[test]
fn a_waiting_turn_can_be_cancelled_by_its_id() {
    check(
        "quiet; prompt m1; prompt m2; loud; cancel t2; cancel t2; cancel t1",
        expect![[r#"
        > cancel t2
          t2 prompt.withdrawn m2: cancelled before it ran
          = cancelling t2
        > cancel t2
          = refused: no turn t2 is running or waiting
        > cancel t1
          t1 turn.cancel_requested by Some("ann") force false
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          = cancelling t1
    "#]],
    );
}

#[test]
fn idle_is_fine() {
    check(
        "cancel; cancel force clear; cancel turn-x",
        expect![[r#"
        > cancel
          = nothing to cancel
        > cancel force clear
          = nothing to cancel
        > cancel turn-x
          = refused: no turn t1 is running or waiting
    "#]],
    );
}

#[test]
fn a_second_cancel_can_clear_the_queue() {
    check(
        "quiet; prompt m1; prompt m2; calls bash one; cancel; loud; cancel force",
        expect![[r#"
        > cancel force
          t2 prompt.withdrawn m2: the queue was cleared
          = cancelling t1
    "#]],
    );
}
