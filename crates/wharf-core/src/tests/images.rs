//! Images: what they cost, which go first where there is no room, and when it is told that a model does not see them.

use expect_test::expect;

use super::script::check;

#[test]
fn the_oldest_images_go_first() {
    check(
        "context 20000; quiet; prompt m1 image=2000x2000; text one; done; prompt m2 image=4000x1000; text two; done; loud; \
         prompt m3 image=2000x2000; text three; done; quiet; prompt m4 image=3000x3000; done; loud; prompt m5 image=64x64; crash; fork",
        expect![[r#"
            > context 20000
            > prompt m3 image=2000x2000
              t3 prompt.received m3
              t3 prompt.started m3
              t3 turn.started m3 demo/one
              t3 session.status_changed idle -> busy
              t3 context.compacted Window 15094 -> 8970 through 0, 0 results 0 messages 0 shortened 1 images
              -> call model 3: user do m1⏎[image/png left out to save space] | agent one | user do m2 | agent two | user do m3
              = t3, seq 24
            > text three
              t3 message.start r3
              t3 message.chunk r3 0+"three"
            > done
              t3 message.complete r3 "three"
              t3 usage.updated turn 110, session 330, context 110
              t3 turn.completed EndTurn "three" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m5 image=64x64
              t5 prompt.received m5
              t5 prompt.started m5
              t5 turn.started m5 demo/one
              t5 session.status_changed idle -> busy
              -> call model 5: user do m1⏎[image/png left out to save space] | agent one | user do m2⏎[image/png left out to save space] | agent two | user do m3⏎[image/png left out to save space] | agent three | user do m4 | agent ok | user do m5
              = t5, seq 48
            > crash
              t5 turn.resumed attempt 1
              -> call model 1: user do m1⏎[image/png left out to save space] | agent one | user do m2⏎[image/png left out to save space] | agent two | user do m3⏎[image/png left out to save space] | agent three | user do m4 | agent ok | user do m5
            > fork
              t5 turn.failed Interrupted UNAVAILABLE "the session was copied in the middle of the turn, which does not go on in the copy" after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn what_a_model_does_not_see_is_told_when_it_is_news() {
    check(
        "quiet; prompt m1 image=64x64; text one; loud; blind 1; quiet; prompt m2; text two; loud; blind 1; quiet; prompt m3 image=64x64; \
         text three; loud; blind 2; quiet; set model=demo/other; prompt m4; text four; loud; blind 2",
        expect![[r#"
            > blind 1
              t1 message.complete r1 "one" not shown to the model: 1 image (the model takes none)
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "one" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > blind 1
              t2 message.complete r2 "two"
              t2 usage.updated turn 110, session 220, context 110
              t2 turn.completed EndTurn "two" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > blind 2
              t3 message.complete r3 "three" not shown to the model: 2 images (the model takes none)
              t3 usage.updated turn 110, session 330, context 110
              t3 turn.completed EndTurn "three" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > blind 2
              t4 message.complete r4 "four" not shown to the model: 2 images (the model takes none)
              t4 usage.updated turn 110, session 440, context 110
              t4 turn.completed EndTurn "four" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}
