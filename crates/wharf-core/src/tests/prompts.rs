//! Prompts: accepted once, queued, steered, interrupting, withdrawn.

use expect_test::expect;

use super::script::check;

#[test]
fn a_prompt_runs_at_once_when_nothing_else_does() {
    check(
        "prompt m1; text Hello; text  there; done",
        expect![[r#"
        > prompt m1
          t1 prompt.received m1
          t1 prompt.started m1
          t1 turn.started m1 demo/one
          t1 session.status_changed idle -> busy
          -> call model 1: user do m1
          = t1, seq 2
        > text Hello
          t1 message.start r1
          t1 message.chunk r1 0+"Hello"
        > text  there
          t1 message.chunk r1 5+" there"
        > done
          t1 message.complete r1 "Hello there"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "Hello there" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn a_repeated_prompt_is_the_same_prompt() {
    check(
        "prompt m1; prompt m1; done; prompt m1; prompt m1 #2",
        expect![[r#"
            > prompt m1
              t1 prompt.received m1
              t1 prompt.started m1
              t1 turn.started m1 demo/one
              t1 session.status_changed idle -> busy
              -> call model 1: user do m1
              = t1, seq 2
            > prompt m1
              = t1, seq 2
            > done
              t1 message.start r1
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m1
              = t1, seq 2
            > prompt m1 #2
              = refused: prompt id m1 was used for another prompt
        "#]],
    );
}

#[test]
fn prompts_wait_in_order_of_priority_and_arrival() {
    check(
        "quiet; prompt m1; prompt m2; prompt m3 low; loud; prompt m4 high; queue; done; queue",
        expect![[r#"
            > prompt m4 high
              t4 prompt.received m4
              t4 prompt.queued m4 at 1 High
              = t4, seq 10, position 1
            > queue
              1 m4 High
              2 m2 Normal
              3 m3 Low
            > done
              t1 message.start r1
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              t4 prompt.started m4
              t4 turn.started m4 demo/one
              -> call model 2: user do m1 | agent ok | user do m4
            > queue
              1 m2 Normal
              2 m3 Low
        "#]],
    );
}

#[test]
fn a_waiting_prompt_is_answered_with_its_position() {
    check(
        "quiet; prompt m1; prompt m2; loud; prompt m3 high; prompt m3 high; prompt m2",
        expect![[r#"
        > prompt m3 high
          t3 prompt.received m3
          t3 prompt.queued m3 at 1 High
          = t3, seq 8, position 1
        > prompt m3 high
          = t3, seq 8, position 1
        > prompt m2
          = t2, seq 6, position 2
    "#]],
    );
}

#[test]
fn a_full_queue_refuses_before_acceptance() {
    check(
        "config queue=1; prompt m1; prompt m2; prompt m3; prompt m4 steer; queue",
        expect![[r#"
        > prompt m1
          t1 prompt.received m1
          t1 prompt.started m1
          t1 turn.started m1 demo/one
          t1 session.status_changed idle -> busy
          -> call model 1: user do m1
          = t1, seq 2
        > prompt m2
          t2 prompt.received m2
          t2 prompt.queued m2 at 1 Normal
          = t2, seq 6, position 1
        > prompt m3
          = refused: 1 prompts are waiting already
        > prompt m4 steer
          = refused: 1 prompts are waiting already
        > queue
          1 m2 Normal
    "#]],
    );
}

#[test]
fn reject_is_refused_while_a_turn_runs_and_its_id_stays_free() {
    check(
        "quiet; prompt m1; loud; prompt m2 reject; done; prompt m2 reject",
        expect![[r#"
            > prompt m2 reject
              prompt.rejected m2: a turn is running
              = refused: a turn is running
            > done
              t1 message.start r1
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m2 reject
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 2: user do m1 | agent ok | user do m2
              = t2, seq 14
        "#]],
    );
}

#[test]
fn a_steered_prompt_joins_before_the_next_model_call() {
    check(
        "quiet; prompt m1; calls bash ls; loud; prompt m2 steer; queue; finish a ok; done",
        expect![[r#"
            > prompt m2 steer
              t1 prompt.received m2
              = t1, seq 10
            > queue
              1 m2 Normal
            > finish a ok
              t1 tool.call_complete a "ok" 0 ms
              t1 prompt.started m2 steered
              -> call model 2: user do m1 | agent [a] | a ok | user do m2
            > done
              t1 message.start r2
              t1 message.chunk r2 0+"ok"
              t1 message.complete r2 "ok"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "ok" 220 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn a_steered_prompt_keeps_the_turn_going() {
    check(
        "quiet; prompt m1; text Hi; loud; prompt m2 steer; done; done",
        expect![[r#"
            > prompt m2 steer
              t1 prompt.received m2
              = t1, seq 8
            > done
              t1 message.complete r1 "Hi"
              t1 usage.updated turn 110, session 110, context 110
              t1 prompt.started m2 steered
              -> call model 2: user do m1 | agent Hi | user do m2
            > done
              t1 message.start r2
              t1 message.chunk r2 0+"ok"
              t1 message.complete r2 "ok"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "ok" 220 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn a_steered_prompt_without_a_turn_is_a_prompt() {
    check(
        "prompt m1 steer",
        expect![[r#"
        > prompt m1 steer
          t1 prompt.received m1
          t1 prompt.started m1
          t1 turn.started m1 demo/one
          t1 session.status_changed idle -> busy
          -> call model 1: user do m1
          = t1, seq 2
    "#]],
    );
}

#[test]
fn a_steered_prompt_queues_behind_a_turn_that_is_being_cancelled() {
    check(
        "quiet; prompt m1; calls bash ls; cancel; loud; prompt m2 steer; error a cancelled",
        expect![[r#"
        > prompt m2 steer
          t2 prompt.received m2
          t2 prompt.queued m2 at 1 Normal
          = t2, seq 11, position 1
        > error a cancelled
          t1 tool.call_error a Cancelled "stopped, with everything it had started"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          -> call model 2: user do m1 | agent [a] | a! stopped, with everything it had started | user do m2
    "#]],
    );
}

#[test]
fn a_steered_prompt_is_withdrawn_when_its_turn_is_cancelled() {
    check(
        "quiet; prompt m1; prompt m2 steer; loud; cancel; prompt m2 steer",
        expect![[r#"
        > cancel
          t1 turn.cancel_requested by Some("ann") force false
          t1 prompt.withdrawn m2: the turn that it was to join ended first
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
          -> stop model 1
          = cancelling t1
        > prompt m2 steer
          = t1, seq 6
    "#]],
    );
}

#[test]
fn a_steered_prompt_is_withdrawn_when_its_turn_fails() {
    check(
        "quiet; prompt m1; prompt m2 steer; loud; fail unauthorized",
        expect![[r#"
        > fail unauthorized
          t1 prompt.withdrawn m2: the turn that it was to join ended first
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_steered_prompt_is_withdrawn_at_the_limit_of_its_turn() {
    check(
        "config steps=1; quiet; prompt m1; prompt m2 steer; loud; done",
        expect![[r#"
            > done
              t1 message.start r1
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 prompt.withdrawn m2: the turn that it was to join ended first
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn an_interrupting_prompt_is_next() {
    check(
        "quiet; prompt m1; prompt m2 urgent; text Half; loud; prompt m3 interrupt; queue",
        expect![[r#"
        > prompt m3 interrupt
          t3 prompt.received m3
          t3 prompt.queued m3 at 1 Normal
          t1 turn.cancel_requested by Some("ann") force false
          t1 message.error r1 "Half": cancelled
          t1 turn.cancelled "Half" by Some("ann"), 0 ms
          t3 prompt.started m3
          t3 turn.started m3 demo/one
          -> stop model 1
          -> call model 2: user do m1 | agent! Half | user do m3
          = t3, seq 10
        > queue
          1 m2 Urgent
    "#]],
    );
}

#[test]
fn of_two_interrupting_prompts_the_later_is_first() {
    check(
        "quiet; prompt m1; calls bash ls; loud; prompt m2 interrupt; prompt m3 interrupt; queue; error a cancelled",
        expect![[r#"
        > prompt m2 interrupt
          t2 prompt.received m2
          t2 prompt.queued m2 at 1 Normal
          t1 turn.cancel_requested by Some("ann") force false
          -> stop a
          = t2, seq 10, position 1
        > prompt m3 interrupt
          t3 prompt.received m3
          t3 prompt.queued m3 at 1 Normal
          = t3, seq 13, position 1
        > queue
          1 m3 Normal
          2 m2 Normal
        > error a cancelled
          t1 tool.call_error a Cancelled "stopped, with everything it had started"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          t3 prompt.started m3
          t3 turn.started m3 demo/one
          -> call model 2: user do m1 | agent [a] | a! stopped, with everything it had started | user do m3
    "#]],
    );
}

#[test]
fn a_prompt_can_be_withdrawn_while_it_waits() {
    check(
        "quiet; prompt m1; prompt m2; loud; withdraw m2; withdraw m2; withdraw m1; prompt m2",
        expect![[r#"
        > withdraw m2
          t2 prompt.withdrawn m2: withdrawn
        > withdraw m2
          = refused: no prompt m2 is waiting
        > withdraw m1
          = refused: no prompt m1 is waiting
        > prompt m2
          = t2, seq 6
    "#]],
    );
}

#[test]
fn a_prompt_can_be_moved_in_the_queue() {
    check(
        "quiet; prompt m1; prompt m2; prompt m3; loud; priority m3 high; priority m3 high; queue; priority m9 high",
        expect![[r#"
        > priority m3 high
          t3 prompt.queued m3 at 1 High
        > priority m3 high
        > queue
          1 m3 High
          2 m2 Normal
        > priority m9 high
          = refused: no prompt m9 is waiting
    "#]],
    );
}

#[test]
fn an_interrupting_prompt_that_is_moved_waits_like_any_other() {
    check(
        "quiet; prompt m1; calls bash ls; prompt m2 interrupt; prompt m3 high; loud; queue; priority m2 low; queue",
        expect![[r#"
        > queue
          1 m2 Normal
          2 m3 High
        > priority m2 low
          t2 prompt.queued m2 at 2 Low
        > queue
          1 m3 High
          2 m2 Low
    "#]],
    );
}

#[test]
fn a_draining_server_finishes_its_turn_and_starts_none() {
    check(
        "quiet; prompt m1; prompt m2; loud; drain; prompt m3; prompt m1; text ok; done; queue",
        expect![[r#"
        > drain
        > prompt m3
          = refused: the server is stopping
        > prompt m1
          = t1, seq 2
        > text ok
          t1 message.start r1
          t1 message.chunk r1 0+"ok"
        > done
          t1 message.complete r1 "ok"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
          session.status_changed busy -> idle
        > queue
          1 m2 Normal
    "#]],
    );
}

#[test]
fn a_prompt_that_only_the_store_remembers_is_answered_again() {
    check(
        "prompt m1 #1 was=#1; drain; prompt m2 #1 was=#2; prompt m3 was=#1",
        expect![[r#"
        > prompt m1 #1 was=#1
          = t1, seq 2
        > drain
        > prompt m2 #1 was=#2
          = refused: prompt id m2 was used for another prompt
        > prompt m3 was=#1
          = t1, seq 2
    "#]],
    );
}
