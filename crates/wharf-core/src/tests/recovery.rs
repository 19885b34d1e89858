//! Taking up what a dead server left.

use expect_test::expect;

use super::script::check;

#[test]
fn nothing_to_do() {
    check(
        "crash; quiet; prompt m1; done; loud; crash",
        expect![[r#"
        > crash
        > crash
    "#]],
    );
}

#[test]
fn numbers_that_may_have_been_shown_are_left_out() {
    check(
        "crash skip=50; crash skip=20; prompt m1",
        expect![[r#"
        > crash skip=50
          session.recovered seq 51 after Some(Seq(1))
        > crash skip=20
        > prompt m1
          t1 prompt.received m1
          t1 prompt.started m1
          t1 turn.started m1 demo/one
          t1 session.status_changed idle -> busy
          -> call model 1: user do m1
          = t1, seq 52
    "#]],
    );
}

#[test]
fn an_unfinished_message_stays_and_the_model_is_asked_again() {
    check(
        "quiet; prompt m1; think Hm; text Half; loud; crash; text Rest; done",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
          t1 message.error r1 "Half": interrupted
          -> call model 1: user do m1 | agent! Half | user [Your message was cut off there. Go on.]
        > text Rest
          t1 message.start r2
          t1 message.chunk r2 0+"Rest"
        > done
          t1 message.complete r2 "Rest"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "Rest" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn a_call_that_had_begun_is_not_run_again() {
    check(
        "quiet; prompt m1; calls bash one / bash two; progress a part; loud; crash; finish a late; finish b ok",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
          t1 tool.call_error a Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it." output "part"
          t1 tool.call_start b `bash two` (mode full)
          -> run b: bash two
        > finish a late
        > finish b ok
          t1 tool.call_complete b "ok" 0 ms
          -> call model 1: user do m1 | agent [a b] | a! the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it.⏎⏎Output so far:⏎part | b ok
    "#]],
    );
}

#[test]
fn a_call_that_had_ended_has_its_own_outcome() {
    check(
        "quiet; prompt m1; calls bash one / bash two; progress a part; recorded a exit all of it; loud; crash 5000",
        expect![[r#"
            > crash 5000
              t1 tool.call_complete a "all of it" 70 ms
              t1 turn.resumed attempt 1
              t1 tool.call_start b `bash two` (mode full)
              -> run b: bash two
        "#]],
    );
}

#[test]
fn a_call_that_was_cut_off_has_all_its_output() {
    check(
        "quiet; execute bash zero; prompt m1; calls bash one; progress b part; recorded a exit 0; recorded b output part and more; loud; crash 5000",
        expect![[r#"
            > crash 5000
              tool.call_complete a "0" 70 ms
              t1 turn.resumed attempt 1
              t1 tool.call_error b Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it." output "part and more"
              -> call model 1: user do m1 | agent [b] | b! the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it.⏎⏎Output so far:⏎part and more
        "#]],
    );
}

#[test]
fn what_a_call_came_to_is_kept_though_its_turn_is_given_up() {
    check(
        "config recovery=interrupt; quiet; prompt m1; calls bash one; recorded a exit ok; loud; crash",
        expect![[r#"
            > crash
              t1 tool.call_complete a "ok" 70 ms
              t1 turn.failed Interrupted UNAVAILABLE "the server stopped in the middle of the turn, which was not taken up again" after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
    check(
        "quiet; prompt m1; calls bash one; cancel; recorded a exit ok; loud; crash",
        expect![[r#"
        > crash
          t1 tool.call_complete a "ok" 70 ms
          t1 turn.cancelled "" by Some("ann"), 0 ms
          session.status_changed busy -> cancelled
          agent.idle
    "#]],
    );
}

#[test]
fn reads_that_had_begun_run_again() {
    check(
        "quiet; prompt m1; calls read one / read two; progress a part; finish b B; loud; crash; progress a new; finish a A",
        expect![[r#"
            > crash
              t1 turn.resumed attempt 1
              t1 tool.call_resumed a attempt 2
              -> run a: read one
            > progress a new
              t1 tool.call_progress a 0+"new"
            > finish a A
              t1 tool.call_complete a "A" 0 ms
              -> call model 1: user do m1 | agent [a b] | a A | b B
        "#]],
    );
}

#[test]
fn calls_that_had_not_begun_go_on() {
    check(
        "quiet; prompt m1; calls bash one / bash two; finish a ok; error b failed x; calls read x / bash y; finish c X; loud; crash",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
          t1 tool.call_error d Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it."
          -> call model 1: user do m1 | agent [a b] | a ok | b! x | agent [c d] | c X | d! the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it.
    "#]],
    );
}

#[test]
fn questions_stay_open_with_their_time() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash one; loud; crash 10000; wait 20000",
        expect![[r#"
        > crash 10000
          t1 turn.resumed attempt 1
        > wait 20000
          t1 permission.resolved p1 TimedOut by None
          t1 tool.call_error a Denied "nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering." (p1: no: nobody answered in time)
          t1 session.status_changed waiting -> busy
          -> call model 1: user do m1 | agent [a] | a! nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering.
    "#]],
    );
}

#[test]
fn questions_can_be_answered_after_a_crash() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash one; loud; crash; answer p1 allow_once ann",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
        > answer p1 allow_once ann
          t1 permission.resolved p1 AllowOnce by Some("ann")
          t1 tool.call_start a `bash one` (p1: allow_once by ann)
          t1 session.status_changed waiting -> busy
          -> run a: bash one
    "#]],
    );
}

#[test]
fn an_answered_call_that_waited_for_its_place_runs() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash one / bash two; answer p2 allow_once ann; loud; crash; answer p1 reject_once",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
        > answer p1 reject_once
          t1 permission.resolved p1 RejectOnce by None
          t1 tool.call_error a Denied "a client refused this call; it did not run" (p1: no: reject_once by a client)
          t1 tool.call_start b `bash two` (p2: allow_once by ann)
          t1 session.status_changed waiting -> busy
          -> run b: bash two
    "#]],
    );
}

#[test]
fn a_cancel_is_finished() {
    check(
        "quiet; prompt m1; calls bash one / bash two; cancel; prompt m2; loud; crash",
        expect![[r#"
        > crash
          t1 tool.call_error a Cancelled "cancelled"
          t1 turn.cancelled "" by Some("ann"), 0 ms
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          -> call model 1: user do m1 | agent [a b] | a! cancelled | b! cancelled | user do m2
    "#]],
    );
}

#[test]
fn a_turn_that_keeps_crashing_is_given_up() {
    check(
        "config resumes=2; quiet; prompt m1; crash; crash; text Half; loud; crash",
        expect![[r#"
        > crash
          t1 message.error r1 "Half": interrupted
          t1 turn.failed Interrupted UNAVAILABLE "the server stopped in the middle of the turn, which was not taken up again" after "Half"
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_setting_ends_the_turn_instead() {
    check(
        "config recovery=interrupt mode=ask; quiet; prompt m1; calls bash one / read b; prompt m2; loud; crash",
        expect![[r#"
        > crash
          t1 permission.resolved p1 Cancelled by None
          t1 tool.call_error a Interrupted "interrupted"
          t1 tool.call_error b Interrupted "interrupted"
          t1 turn.failed Interrupted UNAVAILABLE "the server stopped in the middle of the turn, which was not taken up again" after ""
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          t2 session.status_changed waiting -> busy
          -> call model 1: user do m1 | agent [a b] | a! interrupted | b! interrupted | user do m2
    "#]],
    );
}

#[test]
fn a_begun_call_of_a_turn_that_is_given_up_says_so() {
    check(
        "config recovery=interrupt; quiet; prompt m1; calls bash one / bash two; progress a part; loud; crash",
        expect![[r#"
        > crash
          t1 tool.call_error a Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it." output "part"
          t1 tool.call_error b Interrupted "interrupted"
          t1 turn.failed Interrupted UNAVAILABLE "the server stopped in the middle of the turn, which was not taken up again" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn the_next_prompt_starts() {
    check(
        "quiet; prompt m1; prompt m2; drain; done; loud; crash",
        expect![[r#"
            > crash
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 1: user do m1 | agent ok | user do m2
        "#]],
    );
}

#[test]
fn direct_calls_are_closed() {
    check(
        "quiet; execute bash ls; progress a part; loud; crash; execute read x; crash",
        expect![[r#"
        > crash
          tool.call_error a Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it." output "part"
        > execute read x
          tool.call_start b `read x` at /repo/x (mode full)
          -> run b: read x
          = call b
        > crash
          tool.call_error b Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it."
    "#]],
    );
}

#[test]
fn direct_questions_stay_open() {
    check(
        "config mode=ask; quiet; execute bash ls; loud; crash; answer p1 allow_once ann",
        expect![[r#"
        > crash
        > answer p1 allow_once ann
          permission.resolved p1 AllowOnce by Some("ann")
          tool.call_start a `bash ls` (p1: allow_once by ann)
          -> run a: bash ls
    "#]],
    );
}

#[test]
fn the_time_between_two_servers_does_not_count() {
    check(
        "config turn_ms=10000; quiet; prompt m1; loud; wait 4000; crash 1000000; wait 9999; wait 1",
        expect![[r#"
        > wait 4000
        > crash 1000000
          t1 turn.resumed attempt 1
          -> call model 1: user do m1
        > wait 9999
        > wait 1
          t1 turn.failed TimedOut TIMEOUT "the turn took longer than 10000 ms" after ""
          session.status_changed busy -> error
          agent.idle
          -> stop model 1
    "#]],
    );
}

#[test]
fn waiting_to_retry() {
    check(
        "quiet; prompt m1; fail overloaded; loud; crash; fail overloaded",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
          -> call model 1: user do m1
        > fail overloaded
          t1 model.retrying 1/2 in 500 ms: the model is ill
    "#]],
    );
}

#[test]
fn a_steer_still_joins() {
    check(
        "quiet; prompt m1; calls bash one; prompt m2 steer; loud; crash",
        expect![[r#"
        > crash
          t1 turn.resumed attempt 1
          t1 tool.call_error a Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it."
          t1 prompt.started m2 steered
          -> call model 1: user do m1 | agent [a] | a! the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it. | user do m2
    "#]],
    );
}

#[test]
fn a_deleted_session_stays_deleted() {
    check(
        "quiet; delete; loud; crash; prompt m1",
        expect![[r#"
        > crash
        > prompt m1
          = refused: the session was deleted
    "#]],
    );
}

#[test]
fn a_turn_whose_time_was_up_ends() {
    check(
        "config turn_ms=1000; quiet; prompt m1; calls bash one / bash two; wait 1000; loud; crash 5000",
        expect![[r#"
            > crash 5000
              t1 turn.resumed attempt 1
              t1 tool.call_error a Interrupted "the server stopped while this call ran. It may have run in part or in whole; it was not run again. Look at what it has done before you repeat it."
              t1 turn.failed TimedOut TIMEOUT "the turn took longer than 1000 ms" after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn a_session_may_have_its_own_rule() {
    check(
        "set recovery=interrupt; quiet; prompt m1; text Half; loud; crash; set recovery=server; quiet; prompt m2; loud; crash",
        expect![[r#"
            > set recovery=interrupt
              session.updated recovery Interrupt by Some("ann")
            > crash
              t1 message.error r1 "Half": interrupted
              t1 turn.failed Interrupted UNAVAILABLE "the server stopped in the middle of the turn, which was not taken up again" after "Half"
              session.status_changed busy -> error
              agent.idle
            > set recovery=server
              session.updated recovery Server by Some("ann")
            > crash
              t2 turn.resumed attempt 1
              -> call model 1: user do m1 | agent! Half | user do m2
        "#]],
    );
}

#[test]
fn a_read_runs_once_more_alone_and_no_third_time() {
    check(
        "quiet; prompt m1; calls read one / read two / bash x; loud; crash; crash; finish b B; finish c ok",
        expect![[r#"
            > crash
              t1 turn.resumed attempt 1
              t1 tool.call_resumed a attempt 2
              -> run a: read one
            > crash
              t1 turn.resumed attempt 2
              t1 tool.call_error a Interrupted "the server stopped while this call ran, and again when it ran once more; it is not run a third time. It may be what the server died of: read less at once, or something else."
              t1 tool.call_resumed b attempt 2
              -> run b: read two
            > finish b B
              t1 tool.call_complete b "B" 0 ms
              t1 tool.call_start c `bash x` (mode full)
              -> run c: bash x
            > finish c ok
              t1 tool.call_complete c "ok" 0 ms
              -> call model 1: user do m1 | agent [a b c] | a! the server stopped while this call ran, and again when it ran once more; it is not run a third time. It may be what the server died of: read less at once, or something else. | b B | c ok
        "#]],
    );
}

#[test]
fn a_read_that_was_done_at_the_second_time_is_done() {
    check(
        "quiet; prompt m1; calls read one / read two; loud; crash; finish a A; crash; finish b B",
        expect![[r#"
            > crash
              t1 turn.resumed attempt 1
              t1 tool.call_resumed a attempt 2
              -> run a: read one
            > finish a A
              t1 tool.call_complete a "A" 0 ms
              t1 tool.call_resumed b attempt 2
              -> run b: read two
            > crash
              t1 turn.resumed attempt 2
              t1 tool.call_error b Interrupted "the server stopped while this call ran, and again when it ran once more; it is not run a third time. It may be what the server died of: read less at once, or something else."
              -> call model 1: user do m1 | agent [a b] | a A | b! the server stopped while this call ran, and again when it ran once more; it is not run a third time. It may be what the server died of: read less at once, or something else.
            > finish b B
        "#]],
    );
}

#[test]
fn a_read_that_runs_again_can_be_cancelled() {
    check(
        "quiet; prompt m1; calls read one / read two; crash; loud; cancel; error a cancelled",
        expect![[r#"
            > cancel
              t1 turn.cancel_requested by Some("ann") force false
              t1 tool.call_error b Cancelled "cancelled"
              -> stop a
              = cancelling t1
            > error a cancelled
              t1 tool.call_error a Cancelled "stopped, with everything it had started"
              t1 turn.cancelled "" by Some("ann"), 0 ms
              session.status_changed busy -> cancelled
              agent.idle
        "#]],
    );
}
