//! Model calls: streamed, repeated, failed.

use expect_test::expect;

use super::script::check;

#[test]
fn reasoning_comes_before_the_message_begins() {
    check(
        "quiet; prompt m1; loud; think Hm; think m...; text Héllo; text !; done",
        expect![[r#"
        > think Hm
          t1 agent.thinking r1 0+"Hm"
        > think m...
          t1 agent.thinking r1 2+"m..."
        > text Héllo
          t1 message.start r1
          t1 message.chunk r1 0+"Héllo"
        > text !
          t1 message.chunk r1 6+"!"
        > done
          t1 message.complete r1 "Héllo!" thought "Hmm..."
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed EndTurn "Héllo!" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn a_reply_of_calls_alone_is_a_message() {
    check(
        "quiet; prompt m1; loud; think Look; calls read a.txt",
        expect![[r#"
        > think Look
          t1 agent.thinking r1 0+"Look"
        > calls read a.txt
          t1 message.start r1
          t1 message.complete r1 "" a=read a.txt thought "Look"
          t1 usage.updated turn 110, session 110, context 110
          t1 tool.call_start a `read a.txt` at /repo/a.txt (mode full)
          -> run a: read a.txt
    "#]],
    );
}

#[test]
fn an_empty_reply_is_asked_for_once_more() {
    check(
        "quiet; prompt m1; loud; empty; text Here; done; prompt m2",
        expect![[r#"
            > empty
              t1 message.start r1
              t1 message.error r1 "": the model's reply was empty: no text and no tool call
              t1 usage.updated turn 110, session 110, context 110
              -> call model 2: user do m1 | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.]
            > text Here
              t1 message.start r2
              t1 message.chunk r2 0+"Here"
            > done
              t1 message.complete r2 "Here"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "Here" 220 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 3: user do m1 | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.] | agent Here | user do m2
              = t2, seq 16
        "#]],
    );
}

#[test]
fn a_second_empty_reply_fails_the_turn() {
    check(
        "quiet; prompt m1; loud; empty; crash; empty; prompt m2",
        expect![[r#"
            > empty
              t1 message.start r1
              t1 message.error r1 "": the model's reply was empty: no text and no tool call
              t1 usage.updated turn 110, session 110, context 110
              -> call model 2: user do m1 | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.]
            > crash
              t1 turn.resumed attempt 1
              -> call model 1: user do m1 | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.]
            > empty
              t1 message.start r2
              t1 message.error r2 "": the model's reply was empty: no text and no tool call
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.failed Error MODEL_REPLY_UNUSABLE "twice in a row the model's reply was empty: no text and no tool call. The model's chat template is likely wrong on its server, or a stop word ends each reply at once." after ""
              session.status_changed busy -> error
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed error -> busy
              -> call model 2: user do m1 | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.] | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.] | user do m2
              = t2, seq 16
        "#]],
    );
}

#[test]
fn reasoning_alone_is_no_answer() {
    check(
        "quiet; prompt m1; loud; think Hm; empty; think Hm; empty max_tokens",
        expect![[r#"
            > think Hm
              t1 agent.thinking r1 0+"Hm"
            > empty
              t1 message.start r1
              t1 message.error r1 "": the model's reply held reasoning only: no text and no tool call after it
              t1 usage.updated turn 110, session 110, context 110
              -> call model 2: user do m1 | user [Your last reply held reasoning only: no text and no tool call after it. Go on: call a tool as a tool call, or answer in plain text.]
            > think Hm
              t1 agent.thinking r2 0+"Hm"
            > empty max_tokens
              t1 message.start r2
              t1 message.error r2 "": the model's reply held reasoning only: no text and no tool call after it
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.failed Error MODEL_REPLY_UNUSABLE "twice in a row the model's reply held reasoning only: no text and no tool call after it. The output limit was used up before an answer: raise the server's limit of output tokens, or lower `thinking`." after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn a_call_that_is_not_there() {
    check(
        "quiet; prompt m1; loud; text I look; nocall; text I look; nocall",
        expect![[r#"
            > text I look
              t1 message.start r1
              t1 message.chunk r1 0+"I look"
            > nocall
              t1 message.error r1 "I look": the model's reply ended with a tool call, as the server says, and held none
              t1 usage.updated turn 110, session 110, context 110
              -> call model 2: user do m1 | agent! I look | user [Your last reply ended with a tool call, as the server says, and held none. Go on: call a tool as a tool call, or answer in plain text.]
            > text I look
              t1 message.start r2
              t1 message.chunk r2 0+"I look"
            > nocall
              t1 message.error r2 "I look": the model's reply ended with a tool call, as the server says, and held none
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.failed Error MODEL_REPLY_UNUSABLE "twice in a row the model's reply ended with a tool call, as the server says, and held none. The server's tool parser is likely missing or does not fit the model: check it and the chat template (vLLM: `--enable-auto-tool-choice --tool-call-parser`; SGLang: `--tool-call-parser`; llama.cpp: `--jinja`), or use a model that was made for tools." after "I look"
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn a_call_in_the_text_is_not_shown() {
    check(
        "quiet; prompt m1; loud; text <tool_; text call>{}; text </tool_call>; empty; text <tool_call>{}</tool_call>; empty",
        expect![[r#"
            > text <tool_
            > text call>{}
            > text </tool_call>
            > empty
              t1 message.start r1
              t1 message.error r1 "": the model's reply was a tool call written as text, not a tool call
              t1 usage.updated turn 110, session 110, context 110
              -> call model 2: user do m1 | user [Your last reply was a tool call written as text, not a tool call. Go on: call a tool as a tool call, or answer in plain text.]
            > text <tool_call>{}</tool_call>
            > empty
              t1 message.start r2
              t1 message.error r2 "": the model's reply was a tool call written as text, not a tool call
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.failed Error MODEL_REPLY_UNUSABLE "twice in a row the model's reply was a tool call written as text, not a tool call. The server's tool parser is likely missing or does not fit the model: check it and the chat template (vLLM: `--enable-auto-tool-choice --tool-call-parser`; SGLang: `--tool-call-parser`; llama.cpp: `--jinja`), or use a model that was made for tools." after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn text_that_only_begins_like_a_call_is_shown() {
    check(
        "quiet; prompt m1; loud; text <tool; text box> it is; done; prompt m2; text <tool; empty",
        expect![[r#"
            > text <tool
            > text box> it is
              t1 message.start r1
              t1 message.chunk r1 0+"<toolbox> it is"
            > done
              t1 message.complete r1 "<toolbox> it is"
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.completed EndTurn "<toolbox> it is" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/one
              t2 session.status_changed idle -> busy
              -> call model 2: user do m1 | agent <toolbox> it is | user do m2
              = t2, seq 13
            > text <tool
            > empty
              t2 message.start r2
              t2 message.chunk r2 0+"<tool"
              t2 message.complete r2 "<tool"
              t2 usage.updated turn 110, session 220, context 110
              t2 turn.completed EndTurn "<tool" 110 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn a_reply_counts_again_after_a_good_one() {
    check(
        "quiet; prompt m1; empty; calls read a; finish a ok; loud; empty; done",
        expect![[r#"
            > empty
              t1 message.start r3
              t1 message.error r3 "": the model's reply was empty: no text and no tool call
              t1 usage.updated turn 330, session 330, context 110
              -> call model 4: user do m1 | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.] | agent [a] | a ok | user [Your last reply was empty: no text and no tool call. Go on: call a tool as a tool call, or answer in plain text.]
            > done
              t1 message.start r4
              t1 message.chunk r4 0+"ok"
              t1 message.complete r4 "ok"
              t1 usage.updated turn 440, session 440, context 110
              t1 turn.completed EndTurn "ok" 440 tokens, 0 ms
              session.status_changed busy -> idle
              agent.idle
        "#]],
    );
}

#[test]
fn a_reply_that_ran_out_of_tokens_ends_the_turn_saying_so() {
    check(
        "quiet; prompt m1; loud; text Half; done max_tokens",
        expect![[r#"
        > text Half
          t1 message.start r1
          t1 message.chunk r1 0+"Half"
        > done max_tokens
          t1 message.complete r1 "Half"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed MaxTokens "Half" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn a_refusal_ends_the_turn_saying_so() {
    check(
        "quiet; prompt m1; loud; text No; done refusal",
        expect![[r#"
        > text No
          t1 message.start r1
          t1 message.chunk r1 0+"No"
        > done refusal
          t1 message.complete r1 "No"
          t1 usage.updated turn 110, session 110, context 110
          t1 turn.completed Refusal "No" 110 tokens, 0 ms
          session.status_changed busy -> idle
          agent.idle
    "#]],
    );
}

#[test]
fn a_refusal_without_a_word_names_a_way_out_and_runs_nothing() {
    check(
        "quiet; prompt m1; loud; empty refusal; quiet; prompt m2; think Hm; loud; filtered bash ls",
        expect![[r#"
            > empty refusal
              t1 message.start r1
              t1 message.complete r1 ""
              t1 usage.updated turn 110, session 110, context 110
              t1 turn.failed Refusal MODEL_REPLY_UNUSABLE "demo/one refused to answer, or its provider's content filter stopped the reply, without saying why. The same request would be refused again: say it in other words or leave out what may be objected to (what was said before is sent along; `/clear` begins anew), or use another model." after ""
              session.status_changed busy -> error
              agent.idle
            > filtered bash ls
              t2 message.start r2
              t2 message.complete r2 "" thought "Hm"
              t2 usage.updated turn 110, session 220, context 110
              t2 turn.failed Refusal MODEL_REPLY_UNUSABLE "demo/one refused to answer, or its provider's content filter stopped the reply, without saying why. The same request would be refused again: say it in other words or leave out what may be objected to (what was said before is sent along; `/clear` begins anew), or use another model." after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn a_failed_call_is_repeated_with_growing_waits() {
    check(
        "quiet; prompt m1; loud; fail overloaded; wait 499; wait 1; fail overloaded; wait 1000; fail overloaded",
        expect![[r#"
        > fail overloaded
          t1 model.retrying 1/2 in 500 ms: the model is ill
        > wait 499
        > wait 1
          -> call model 2: user do m1
        > fail overloaded
          t1 model.retrying 2/2 in 1000 ms: the model is ill
        > wait 1000
          -> call model 3: user do m1
        > fail overloaded
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_model_that_fails_again_and_again_is_followed_by_its_fallbacks() {
    check(
        "config fallback=demo/two,demo/three; quiet; prompt m1; fail overloaded; wait 500; fail overloaded; wait 1000; loud; fail overloaded; \
         fail overloaded; wait 500; fail rate 70000; fail unauthorized; prompt m2; fail rate 70000",
        expect![[r#"
            > fail overloaded
              t1 session.updated demo/two, as demo/one failed: the model is ill by None
              -> call model 4: user do m1
            > fail overloaded
              t1 model.retrying 1/2 in 500 ms: the model is ill
            > wait 500
              -> call model 5: user do m1
            > fail rate 70000
              t1 session.updated demo/three, as demo/two failed: the model is ill by None
              -> call model 6: user do m1
            > fail unauthorized
              t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
              session.status_changed busy -> error
              agent.idle
            > prompt m2
              t2 prompt.received m2
              t2 prompt.started m2
              t2 turn.started m2 demo/three
              t2 session.status_changed error -> busy
              -> call model 7: user do m1 | user do m2
              = t2, seq 14
            > fail rate 70000
              t2 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn what_was_shown_is_not_asked_of_another_model() {
    check(
        "config fallback=demo/two; quiet; prompt m1; text Half; loud; fail overloaded",
        expect![[r#"
            > fail overloaded
              t1 message.error r1 "Half": the model is ill
              t1 turn.failed Error PROVIDER_ERROR "the model is ill" after "Half"
              session.status_changed busy -> error
              agent.idle
        "#]],
    );
}

#[test]
fn a_reply_ends_the_count_of_attempts() {
    check(
        "quiet; prompt m1; fail overloaded; wait 500; fail overloaded; wait 1000; calls read a; finish a ok; loud; fail overloaded",
        expect![[r#"
        > fail overloaded
          t1 model.retrying 1/2 in 500 ms: the model is ill
    "#]],
    );
}

#[test]
fn the_providers_wish_is_the_wait() {
    check(
        "quiet; prompt m1; loud; fail rate 7000; wait 6999; wait 1",
        expect![[r#"
        > fail rate 7000
          t1 model.retrying 1/2 in 7000 ms: the model is ill
        > wait 6999
        > wait 1
          -> call model 2: user do m1
    "#]],
    );
}

#[test]
fn a_wish_for_a_longer_wait_than_allowed_fails_the_turn() {
    check(
        "quiet; prompt m1; loud; fail rate 60001",
        expect![[r#"
        > fail rate 60001
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn nothing_is_repeated_once_text_was_seen() {
    check(
        "quiet; prompt m1; loud; text Half; fail overloaded; prompt m2",
        expect![[r#"
        > text Half
          t1 message.start r1
          t1 message.chunk r1 0+"Half"
        > fail overloaded
          t1 message.error r1 "Half": the model is ill
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after "Half"
          session.status_changed busy -> error
          agent.idle
        > prompt m2
          t2 prompt.received m2
          t2 prompt.started m2
          t2 turn.started m2 demo/one
          t2 session.status_changed error -> busy
          -> call model 2: user do m1 | agent! Half | user do m2
          = t2, seq 12
    "#]],
    );
}

#[test]
fn nothing_is_repeated_once_reasoning_was_seen() {
    check(
        "quiet; prompt m1; loud; think Half; fail overloaded",
        expect![[r#"
        > think Half
          t1 agent.thinking r1 0+"Half"
        > fail overloaded
          t1 message.start r1
          t1 message.error r1 "": the model is ill
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_lasting_failure_is_not_repeated() {
    check(
        "quiet; prompt m1; loud; fail unauthorized",
        expect![[r#"
        > fail unauthorized
          t1 turn.failed Error PROVIDER_ERROR "the model is ill" after ""
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn a_timeout_has_its_own_code() {
    check(
        "quiet; prompt m1; text Half; loud; fail timeout",
        expect![[r#"
        > fail timeout
          t1 message.error r1 "Half": the model is ill
          t1 turn.failed Error TIMEOUT "the model is ill" after "Half"
          session.status_changed busy -> error
          agent.idle
    "#]],
    );
}

#[test]
fn what_an_older_model_call_says_is_not_heard() {
    check(
        "quiet; prompt m1; fail overloaded; wait 500; loud; stale late; text new; stale late",
        expect![[r#"
        > stale late
        > text new
          t1 message.start r1
          t1 message.chunk r1 0+"new"
        > stale late
    "#]],
    );
}

#[test]
fn nothing_is_heard_after_the_end() {
    check(
        "quiet; prompt m1; done; loud; text late; done; fail overloaded",
        expect![[r#"
        > text late
        > done
        > fail overloaded
    "#]],
    );
}

#[test]
fn the_model_can_be_changed_in_a_turn() {
    check(
        "quiet; prompt m1; loud; set model=demo/two; calls read a; prompt m2; finish a ok; done",
        expect![[r#"
            > set model=demo/two
              session.updated demo/two by Some("ann")
            > calls read a
              t1 message.start r1
              t1 message.complete r1 "" a=read a
              t1 usage.updated turn 110, session 110, context 110
              t1 tool.call_start a `read a` at /repo/a (mode full)
              -> run a: read a
            > prompt m2
              t2 prompt.received m2
              t2 prompt.queued m2 at 1 Normal
              = t2, seq 11, position 1
            > finish a ok
              t1 tool.call_complete a "ok" 0 ms
              -> call model 2: user do m1 | agent [a] | a ok
            > done
              t1 message.start r2
              t1 message.chunk r2 0+"ok"
              t1 message.complete r2 "ok"
              t1 usage.updated turn 220, session 220, context 110
              t1 turn.completed EndTurn "ok" 220 tokens, 0 ms
              t2 prompt.started m2
              t2 turn.started m2 demo/two
              -> call model 3: user do m1 | agent [a] | a ok | agent ok | user do m2
        "#]],
    );
}
