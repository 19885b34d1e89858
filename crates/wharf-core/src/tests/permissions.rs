//! Permissions: asked, answered once, remembered, expired.

use expect_test::expect;

use super::script::check;

#[test]
fn a_call_waits_for_its_answer_and_says_who_gave_it() {
    check(
        "config mode=ask; answerers 1; prompt m1; calls bash ls; answer p1 allow_once phone; answer p1 reject_once laptop; finish a ok",
        expect![[r#"
        > answerers 1
        > prompt m1
          t1 prompt.received m1
          t1 prompt.started m1
          t1 turn.started m1 demo/one
          t1 session.status_changed idle -> busy
          -> call model 1: user do m1
          = t1, seq 2
        > calls bash ls
          t1 message.start r1
          t1 message.complete r1 "" a=bash ls
          t1 usage.updated turn 110, session 110, context 110
          t1 permission.requested p1 for a: Run bash in /repo: ls (mode ask) [300000 ms]
          t1 session.status_changed busy -> waiting
        > answer p1 allow_once phone
          t1 permission.resolved p1 AllowOnce by Some("phone")
          t1 tool.call_start a `bash ls` (p1: allow_once by phone)
          t1 session.status_changed waiting -> busy
          -> run a: bash ls
        > answer p1 reject_once laptop
          = refused: p1 is AllowOnce by Some("phone")
        > finish a ok
          t1 tool.call_complete a "ok" 0 ms
          -> call model 2: user do m1 | agent [a] | a ok
    "#]],
    );
}

#[test]
fn a_refusal_is_told_to_the_model() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash ls; loud; answer p1 reject_once phone not now please",
        expect![[r#"
        > answer p1 reject_once phone not now please
          t1 permission.resolved p1 RejectOnce by Some("phone")
          t1 tool.call_error a Denied "phone refused this call; it did not run: not now please" (p1: no: reject_once by phone)
          t1 session.status_changed waiting -> busy
          -> call model 2: user do m1 | agent [a] | a! phone refused this call; it did not run: not now please
    "#]],
    );
}

#[test]
fn all_questions_of_a_reply_are_asked_at_once() {
    check(
        "config mode=ask; quiet; prompt m1; loud; calls bash one / read a / bash two; answer p2 allow_once; answer p1 allow_once; finish a 1; finish b ok; finish c 2",
        expect![[r#"
        > calls bash one / read a / bash two
          t1 message.start r1
          t1 message.complete r1 "" a=bash one b=read a c=bash two
          t1 usage.updated turn 110, session 110, context 110
          t1 permission.requested p1 for a: Run bash in /repo: one (mode ask) [30000 ms]
          t1 permission.requested p2 for c: Run bash in /repo: two (mode ask) [30000 ms]
          t1 session.status_changed busy -> waiting
        > answer p2 allow_once
          t1 permission.resolved p2 AllowOnce by None
        > answer p1 allow_once
          t1 permission.resolved p1 AllowOnce by None
          t1 tool.call_start a `bash one` (p1: allow_once by a client)
          t1 session.status_changed waiting -> busy
          -> run a: bash one
        > finish a 1
          t1 tool.call_complete a "1" 0 ms
          t1 tool.call_start b `read a` at /repo/a (mode ask)
          -> run b: read a
        > finish b ok
          t1 tool.call_complete b "ok" 0 ms
          t1 tool.call_start c `bash two` (p2: allow_once by a client)
          -> run c: bash two
        > finish c 2
          t1 tool.call_complete c "2" 0 ms
          -> call model 2: user do m1 | agent [a b c] | a 1 | b ok | c 2
    "#]],
    );
}

#[test]
fn a_remembered_permission_is_for_exactly_that_call() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash ls; loud; answer p1 allow_always ann; finish a ok; calls bash ls / bash ls -a",
        expect![[r#"
        > answer p1 allow_always ann
          t1 permission.resolved p1 AllowAlways by Some("ann") remembered
          t1 tool.call_start a `bash ls` (p1: allow_always by ann)
          t1 session.status_changed waiting -> busy
          -> run a: bash ls
        > finish a ok
          t1 tool.call_complete a "ok" 0 ms
          -> call model 2: user do m1 | agent [a] | a ok
        > calls bash ls / bash ls -a
          t1 message.start r2
          t1 message.complete r2 "" b=bash ls c=bash ls -a
          t1 usage.updated turn 220, session 220, context 110
          t1 permission.requested p2 for c: Run bash in /repo: ls -a (mode ask) [30000 ms]
          t1 tool.call_start b `bash ls` (allow_always by ann, remembered)
          t1 session.status_changed busy -> waiting
          -> run b: bash ls
    "#]],
    );
}

#[test]
fn a_remembered_refusal_needs_no_question() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash ls; loud; answer p1 reject_always ann; calls bash ls",
        expect![[r#"
        > answer p1 reject_always ann
          t1 permission.resolved p1 RejectAlways by Some("ann") remembered
          t1 tool.call_error a Denied "ann refused this call; it did not run" (p1: no: reject_always by ann)
          t1 session.status_changed waiting -> busy
          -> call model 2: user do m1 | agent [a] | a! ann refused this call; it did not run
        > calls bash ls
          t1 message.start r2
          t1 message.complete r2 "" b=bash ls
          t1 usage.updated turn 220, session 220, context 110
          t1 tool.call_error b Denied "not allowed (reject_always by ann, remembered); it did not run. Do not ask for it again." (no: reject_always by ann, remembered)
          -> call model 3: user do m1 | agent [a] | a! ann refused this call; it did not run | agent [b] | b! not allowed (reject_always by ann, remembered); it did not run. Do not ask for it again.
    "#]],
    );
}

#[test]
fn a_question_nobody_answers_is_refused() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash ls; loud; wait 29999; wait 1; answer p1 allow_once",
        expect![[r#"
        > wait 29999
        > wait 1
          t1 permission.resolved p1 TimedOut by None
          t1 tool.call_error a Denied "nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering." (p1: no: nobody answered in time)
          t1 session.status_changed waiting -> busy
          -> call model 2: user do m1 | agent [a] | a! nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering.
        > answer p1 allow_once
          = refused: p1 is TimedOut by None
    "#]],
    );
}

#[test]
fn an_answer_after_the_time_is_too_late() {
    check(
        "config mode=ask; quiet; prompt m1; calls bash ls; loud; later 30000; answer p1 allow_once ann",
        expect![[r#"
        > later 30000
        > answer p1 allow_once ann
          t1 permission.resolved p1 TimedOut by None
          t1 tool.call_error a Denied "nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering." (p1: no: nobody answered in time)
          t1 session.status_changed waiting -> busy
          -> call model 2: user do m1 | agent [a] | a! nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering.
          = refused: p1 is TimedOut by None
    "#]],
    );
}

#[test]
fn somebody_there_has_more_time() {
    check(
        "config mode=ask; quiet; answerers 2; prompt m1; calls bash ls; loud; wait 299999; wait 1",
        expect![[r#"
        > wait 299999
        > wait 1
          t1 permission.resolved p1 TimedOut by None
          t1 tool.call_error a Denied "nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering." (p1: no: nobody answered in time)
          t1 session.status_changed waiting -> busy
          -> call model 2: user do m1 | agent [a] | a! nobody answered in time whether this call may run, so it did not. The user can allow it by starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client and answering.
    "#]],
    );
}

#[test]
fn waiting_for_an_answer_does_not_use_the_turns_time() {
    check(
        "config mode=ask turn_ms=10000; quiet; answerers 1; prompt m1; calls bash ls; loud; wait 200000; answer p1 allow_once; wait 9999; wait 1",
        expect![[r#"
        > wait 200000
        > answer p1 allow_once
          t1 permission.resolved p1 AllowOnce by None
          t1 tool.call_start a `bash ls` (p1: allow_once by a client)
          t1 session.status_changed waiting -> busy
          -> run a: bash ls
        > wait 9999
        > wait 1
          -> stop a
    "#]],
    );
}

#[test]
fn plan_mode_refuses_what_is_no_read() {
    check(
        "config mode=plan; rule allow bash; quiet; prompt m1; loud; calls read a / bash ls / think x",
        expect![[r#"
        > calls read a / bash ls / think x
          t1 message.start r1
          t1 message.complete r1 "" a=read a b=bash ls c=think x
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_error b Denied "not allowed (plan mode is on: only reads run); it did not run. Plan mode is on: go on with reads, and describe in your answer what you would change." (no: plan mode is on: only reads run)
          t1 tool.call_start a `read a` at /repo/a (mode plan)
          t1 tool.call_start c `think` (mode plan)
          -> run a: read a
          -> run c: think x
    "#]],
    );
}

#[test]
fn auto_edit_asks_for_the_rest() {
    check(
        "config mode=auto-edit; quiet; prompt m1; loud; calls edit a / bash ls",
        expect![[r#"
        > calls edit a / bash ls
          t1 message.start r1
          t1 message.complete r1 "" a=edit a b=bash ls
          t1 usage.updated turn 110, session 110, context 110
          t1 permission.requested p1 for b: Run bash in /repo: ls (mode auto-edit) [30000 ms]
          t1 tool.call_start a `edit a` at /repo/a (mode auto-edit)
          t1 session.status_changed busy -> waiting
          -> run a: edit a
    "#]],
    );
}

#[test]
fn a_new_mode_counts_for_calls_that_have_not_begun() {
    check(
        "quiet; prompt m1; calls bash one / bash two; loud; set mode=plan; finish a ok",
        expect![[r#"
        > set mode=plan
          session.updated mode plan by Some("ann")
          t1 tool.call_error b Denied "not allowed (plan mode is on: only reads run); it did not run. Plan mode is on: go on with reads, and describe in your answer what you would change." (no: plan mode is on: only reads run)
        > finish a ok
          t1 tool.call_complete a "ok" 0 ms
          -> call model 2: user do m1 | agent [a b] | a ok | b! not allowed (plan mode is on: only reads run); it did not run. Plan mode is on: go on with reads, and describe in your answer what you would change.
    "#]],
    );
}

#[test]
fn an_unknown_permission_is_refused() {
    check(
        "answer perm-x allow_once",
        expect![[r#"
        > answer perm-x allow_once
          = refused: no permission p1 is open
    "#]],
    );
}

#[test]
fn a_rule_that_asks_beats_the_mode_and_a_remembered_answer_beats_it() {
    check(
        "rule ask bash git push*; quiet; prompt m1; loud; calls bash git push; answer p1 allow_always ann; finish a ok; calls bash git push",
        expect![[r#"
        > calls bash git push
          t1 message.start r1
          t1 message.complete r1 "" a=bash git push
          t1 usage.updated turn 110, session 110, context 110
          t1 permission.requested p1 for a: Run bash in /repo: git push (rule ask bash `git push*`) [30000 ms]
          t1 session.status_changed busy -> waiting
        > answer p1 allow_always ann
          t1 permission.resolved p1 AllowAlways by Some("ann") remembered
          t1 tool.call_start a `bash git push` (p1: allow_always by ann)
          t1 session.status_changed waiting -> busy
          -> run a: bash git push
        > finish a ok
          t1 tool.call_complete a "ok" 0 ms
          -> call model 2: user do m1 | agent [a] | a ok
        > calls bash git push
          t1 message.start r2
          t1 message.complete r2 "" b=bash git push
          t1 usage.updated turn 220, session 220, context 110
          t1 tool.call_start b `bash git push` (allow_always by ann, remembered)
          -> run b: bash git push
    "#]],
    );
}
