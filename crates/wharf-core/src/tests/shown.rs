//! What the model is shown: paired, trimmed, cleared.

use expect_test::expect;

use super::script::check;

#[test]
fn old_results_are_left_out_near_the_limit() {
    check(
        "context 3600; quiet; prompt m1; calls read a; finish a bytes=4000; calls read b; finish b bytes=1000; calls read c; loud; finish c bytes=1000; crash",
        expect![[r#"
            > context 3600
            > finish c bytes=1000
              t1 tool.call_complete c ".." 0 ms
              t1 context.compacted Window 2699 -> 1825 through 10, 1 results 0 messages 0 shortened
              -> call model 4: user do m1 | agent [a] | a [output of 3087 bytes left out to save space] | agent [b] | b .. | agent [c] | c 
            > crash
              t1 turn.resumed attempt 1
              -> call model 1: user do m1 | agent [a] | a [output of 3087 bytes left out to save space] | agent [b] | b .. | agent [c] | c 
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
              t1 context.compacted Window 1392 -> 1341 through 0, 0 results 0 messages 2 shortened
              -> call model 2: user do m1 | agent [a b] | a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[140 bytes left out here to fit the model's window]⏎xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | b xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[140 bytes left out here to fit the model's window]⏎xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        "#]],
    );
}

#[test]
fn a_request_that_did_not_fit_is_made_smaller_once() {
    check(
        "quiet; prompt m1; calls read a / read b / read c; finish a bytes=300; finish b bytes=301; finish c bytes=302; loud; fail overflow; fail overflow",
        expect![[r#"
            > fail overflow
              t1 context.compacted Overflow 1487 -> 1363 through 12, 1 results 0 messages 2 shortened
              -> call model 3: user do m1 | agent [a b c] | a [output of 300 bytes left out to save space] | b xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[141 bytes left out here to fit the model's window]⏎xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | c xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[142 bytes left out here to fit the model's window]⏎xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            > fail overflow
              t1 turn.failed Error CONTEXT_OVERFLOW "the window of demo/one is too small: instructions and the schemas of 4 tools take about 1191 tokens of each request, what is left of the conversation about 172. It should have 3072 or more. Use a model with a larger window, start its server with a larger one. MCP servers add tools, too. The model's server said: the model is ill" after ""
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
              t1 turn.failed Error CONTEXT_OVERFLOW "the window of demo/one is too small: instructions and the schemas of 4 tools take about 1191 tokens of each request, what is left of the conversation about 5. It should have 3072 or more. Use a model with a larger window, start its server with a larger one. MCP servers add tools, too. The model's server said: the model is ill" after ""
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
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              t3 prompt.started m3
              t3 turn.started m3 demo/one
              -> call model 2: user do m1 | agent ok | user do m3
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

#[test]
fn a_huge_result_is_fitted_before_the_model_is_asked() {
    check(
        "context 8000; quiet; prompt m1; calls bash x; loud; finish a bytes=150000; crash",
        expect![[r#"
            > context 8000
            > finish a bytes=150000
              t1 tool.call_complete a ".." 0 ms
              t1 context.compacted Window 44336 -> 3200 through 0, 0 results 0 messages 1 shortened
              -> call model 2: user do m1 | agent [a] | a ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[143140 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            > crash
              t1 turn.resumed attempt 1
              -> call model 1: user do m1 | agent [a] | a ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[143140 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        "#]],
    );
}

#[test]
fn a_huge_prompt_keeps_head_and_tail() {
    check(
        "context 8000; prompt m1 bytes=60000; done; prompt m2",
        expect![[r#"
            > context 8000
            > prompt m1 bytes=60000
              t1 prompt.received m1
              t1 prompt.started m1
              t1 turn.started m1 demo/one
              t1 session.status_changed idle -> busy
              t1 context.compacted Window 18447 -> 3538 through 0, 0 results 0 messages 1 shortened
              -> call model 1: user do m1 ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[51914 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end
              = t1, seq 2
            > done
              t1 message.start r1
              t1 message.chunk r1 0+"ok"
              t1 message.complete r1 "ok"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 2: user do m1 ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[51914 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end | agent ok | user do m2
              = t2, seq 14
        "#]],
    );
}

#[test]
fn old_texts_are_left_out_and_the_next_prompt_works() {
    check(
        "context 8000; quiet; prompt m1 bytes=4000; done; prompt m2 bytes=4000; done; prompt m3 bytes=4000; done; loud; prompt m4 bytes=4000; nosummary unauthorized; done; prompt m5",
        expect![[r#"
            > context 8000
            > prompt m4 bytes=4000
              t4 prompt.received m4
              t4 prompt.started m4
              t4 turn.started m4 demo/one
              t4 session.status_changed idle -> busy
              t4 context.compacting Window 3479 tokens before r3, attempt 1
              -> ask for a summary quoted 4: user What follows between the lines of equals signs is the record of a session between a user and an agent that works with tools. It is material to sum up, not addressed to you.⏎⏎====⏎## user⏎do m1 .. end⏎⏎## agent⏎ok⏎⏎## user⏎do m2 .. end⏎⏎## agent⏎ok⏎⏎## user⏎do m3 .. end⏎⏎====⏎⏎<sum up>
              = t4, seq 35
            > nosummary unauthorized
              t4 context.compacted Window 5832 -> 3539 through 0, 0 results 3 messages 0 shortened from r2 no summary: the model is ill
              -> call model 5: user [3 earlier messages of this session are left out to fit the model's window] | agent ok | user do m3 .. end | agent ok | user do m4 .. end
            > done
              t4 message.start r4
              t4 message.chunk r4 0+"ok"
              t4 message.complete r4 "ok"
              t4 usage.updated turn 110, session 440, context 110
              t4 turn.completed EndTurn "ok" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m5
              t5 prompt.received m5
              t5 prompt.started m5
              t5 turn.started m5 demo/one
              t5 session.status_changed idle -> busy
              -> call model 6: user [3 earlier messages of this session are left out to fit the model's window] | agent ok | user do m3 .. end | agent ok | user do m4 .. end | agent ok | user do m5
              = t5, seq 48
        "#]],
    );
}

#[test]
fn an_overflow_tells_the_window() {
    check(
        "quiet; prompt m1; calls bash x / bash y; finish a bytes=60000; loud; finish b bytes=60000; fail overflow 16000/40000; done; crash; prompt m2",
        expect![[r#"
            > finish b bytes=60000
              t1 tool.call_complete b ".." 0 ms
              -> call model 2: user do m1 | agent [a b] | a .. | b 
            > fail overflow 16000/40000
              t1 context.compacted Overflow 45972 -> 7600 through 0, 0 results 0 messages 2 shortened of 16000
              -> call model 3: user do m1 | agent [a b] | a ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[51904 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | b ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[51904 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            > done
              t1 message.start r2
              t1 message.chunk r2 0+"ok"
              t1 message.complete r2 "ok"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "ok" 220 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > crash
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 1: user do m1 | agent [a b] | a ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[51904 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | b ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[51904 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | agent ok | user do m2
              = t2, seq 21
        "#]],
    );
}

#[test]
fn an_overflow_without_numbers_is_answered_with_less_each_time() {
    check(
        "config other=small; quiet; prompt m1 bytes=60000; loud; fail overflow; fail overflow; fail overflow; fail overflow; fail overflow; prompt m2",
        expect![[r#"
            > fail overflow
              t1 context.compacted Overflow 18447 -> 5893 through 0, 0 results 0 messages 1 shortened
              -> call model 2: user do m1 ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[43722 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end
            > fail overflow
              t1 context.compacted Overflow 5893 -> 3538 through 0, 0 results 0 messages 1 shortened
              -> call model 3: user do m1 ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[8247 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end
            > fail overflow
              t1 context.compacted Overflow 3538 -> 1771 through 0, 0 results 0 messages 1 shortened
              -> call model 4: user do m1 ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[6198 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end
            > fail overflow
              t1 context.compacted Overflow 1771 -> 1256 through 0, 0 results 0 messages 1 shortened
              -> call model 5: user do m1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[1846 bytes left out here to fit the model's window]⏎xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end
            > fail overflow
              t1 turn.failed Error CONTEXT_OVERFLOW "the window of demo/one is too small: instructions and the schemas of 4 tools take about 1191 tokens of each request, what is left of the conversation about 65. It should have 3072 or more. Use a model with a larger window, start its server with a larger one, or an agent with fewer tools: `small` needs about 1151 (`--agent small`, `agent_name` over the API). MCP servers add tools, too. The model's server said: the model is ill" after ""
              session.status_changed busy -> error
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed error -> busy
              -> call model 6: user do m1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[1846 bytes left out here to fit the model's window]⏎xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end | user do m2
              = t2, seq 13
        "#]],
    );
}

#[test]
fn a_window_that_the_tools_fill() {
    check(
        "config other=small; context 300; quiet; prompt m1; loud; fail overflow 300/900; prompt m2",
        expect![[r#"
            > context 300
            > fail overflow 300/900
              t1 turn.failed Error CONTEXT_OVERFLOW "the window of demo/one (300 tokens) is too small: instructions and the schemas of 4 tools take about 1191 tokens of each request, what is left of the conversation about 5. It should have 3072 or more. Use a model with a larger window, start its server with a larger one, or an agent with fewer tools: `small` needs about 1151 (`--agent small`, `agent_name` over the API). MCP servers add tools, too. The model's server said: the model is ill" after ""
              session.status_changed busy -> error
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed error -> busy
              -> call model 2: user do m1 | user do m2
              = t2, seq 9
        "#]],
    );
}

#[test]
fn an_overflow_after_some_text_fails_the_turn_and_not_the_next() {
    check(
        "quiet; prompt m1 bytes=9000; text Half; loud; fail overflow; prompt m2",
        expect![[r#"
            > fail overflow
              t1 context.compacted Overflow 3785 -> 2360 through 0, 0 results 0 messages 1 shortened
              t1 message.error r1 "Half": the model is ill
              t1 turn.failed Error CONTEXT_OVERFLOW "the model is ill; the conversation is shown shorter from here on: go on with a new prompt" after "Half"
              session.status_changed busy -> error
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed error -> busy
              -> call model 2: user do m1 ..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⏎[5010 bytes left out here to fit the model's window]⏎..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end | agent! Half | user do m2
              = t2, seq 13
        "#]],
    );
}
