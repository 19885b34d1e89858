//! Titles of sessions that nobody gave one.

use expect_test::expect;

use super::script::check;

#[test]
fn a_small_model_is_asked_when_the_first_turn_is_over_and_never_again() {
    check(
        "config titles=asked; quiet; prompt m1; prompt m2; loud; done; title _**\"Doing m1.\"**_And more; title late; done; quiet; prompt m3; loud; done",
        expect![[r#"
            > done
              t1 message.start r1
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              -> ask for a title: <user>⏎do m1⏎</user>⏎<agent>⏎ok⏎</agent>
              -> call model 3: user do m1 | agent ok | user do m2
            > title _**"Doing m1."**_And more
              usage.updated turn 0, session 220, context 1207
              session.updated Doing m1 by None
            > title late
            > done
              t2 message.start r2
              t2 message.chunk r2 0+"ok"
              t2 message.complete r2 "ok"
              t2 usage.updated turn 110, session 330, context 110
              t2 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > done
              t3 message.start r3
              t3 message.chunk r3 0+"ok"
              t3 message.complete r3 "ok"
              t3 usage.updated turn 110, session 440, context 110
              t3 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn a_title_that_somebody_gave_stays() {
    check(
        "config titles=asked; quiet; prompt m1; loud; set title=mine; done; title theirs",
        expect![[r#"
        > set title=mine
          session.updated mine by Some("ann")
        > done
          t1 message.start r1
          t1 message.chunk r1 0+"ok"
          t1 message.complete r1 "ok"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
        > title theirs
    "#]],
    );
}

#[test]
fn where_no_title_comes_the_first_words_stay() {
    check(
        "config titles=asked; quiet; prompt m1; loud; cancel; prompt m2; done; title ",
        expect![[r#"
            > cancel
              t1 turn.cancel_requested by Some("ann") force false
              t1 turn.cancelled "" by Some("ann"), 0 ms
              session.status_changed busy -> cancelled
              agent.idle
              -> stop model 1
              = cancelling t1
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed cancelled -> busy
              -> call model 2: user do m1 | user do m2
              = t2, seq 10
            > done
              t2 message.start r1
              t2 message.chunk r1 0+"ok"
              t2 message.complete r1 "ok"
              t2 usage.updated turn 110, session 110, context 110
              t2 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
              -> ask for a title: <user>⏎do m1⏎</user>⏎<agent>⏎ok⏎</agent>
            > title
              usage.updated turn 0, session 220, context 1207
        "#]],
    );
}
