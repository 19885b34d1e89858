//! The scripted model over its own HTTP client.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Gate, Reply, ScriptedModel};
use crate::http::{Client, Incoming};

async fn ask(model: &ScriptedModel, text: &str) -> Incoming {
    ask_with(model, json!([{ "role": "user", "content": text }])).await
}

async fn ask_with(model: &ScriptedModel, messages: Value) -> Incoming {
    let body = json!({ "model": "scripted", "stream": true, "messages": messages });
    Client::new(&model.url()).post("/v1/chat/completions", &body).await.unwrap()
}

/// The text, the calls and the finish reason of a stream.
async fn read(incoming: Incoming) -> std::io::Result<(String, Vec<(String, String)>, Option<String>)> {
    let (mut text, mut calls, mut finish) = (String::new(), Vec::<(String, String)>::new(), None);
    let mut stream = incoming.into_sse();
    while let Some(frame) = stream.next().await? {
        if frame.data == "[DONE]" {
            continue;
        }
        let choice = &frame.json()["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            if let Some(name) = call["function"]["name"].as_str() {
                calls.push((name.to_owned(), String::new()));
            }
            calls.last_mut().unwrap().1.push_str(call["function"]["arguments"].as_str().unwrap());
        }
        finish = choice["finish_reason"].as_str().map(str::to_owned).or(finish);
    }
    Ok((text, calls, finish))
}

#[tokio::test]
async fn markers_choose_the_reply() {
    let model = ScriptedModel::start().await;
    let (text, _, finish) = read(ask(&model, "please [[say na\u{ef}ve caf\u{e9}]]").await).await.unwrap();
    assert_eq!((text.as_str(), finish.as_deref()), ("na\u{ef}ve caf\u{e9}", Some("stop")));
    let (_, calls, finish) = read(ask(&model, r#"[[tool read_file {"path":"a[[1]]"}]]"#).await).await.unwrap();
    assert_eq!(calls, [], "a marker inside the arguments wins");
    assert_eq!(finish.as_deref(), Some("stop"));
    let (_, calls, finish) = read(ask(&model, r#"[[tool read_file {"path":"a"}]]"#).await).await.unwrap();
    assert_eq!(calls, [("read_file".to_owned(), r#"{"path":"a"}"#.to_owned())]);
    assert_eq!(finish.as_deref(), Some("tool_calls"));
    let (text, ..) = read(ask(&model, "[[stream 130]]").await).await.unwrap();
    assert_eq!(text.split_whitespace().count(), 130);
    assert!(text.starts_with("0 1 2 ") && text.ends_with("129 "));
    let (text, ..) = read(ask(&model, "[[stamps 3 rate 1000]]").await).await.unwrap();
    assert!(text.split_whitespace().enumerate().all(|(at, word)| word.starts_with(&format!("{at}:"))), "{text}");
    let (text, ..) = read(ask(&model, "[[big 10000]]").await).await.unwrap();
    assert_eq!((text.len(), &text[..9]), (10_000, "big text "));
    let (text, ..) = read(ask(&model, "nothing special").await).await.unwrap();
    assert_eq!(text, "Hello from the scripted model.");
    let refused = ask(&model, "[[http 429 after 7]]").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("7")));
    assert_eq!(model.request_count(), 8);
}

#[tokio::test]
async fn a_tool_marker_ends_once_its_result_is_there() {
    let model = ScriptedModel::start().await;
    let history = json!([
        { "role": "user", "content": [{ "type": "text", "text": "[[tool bash {}]]" }] },
        { "role": "assistant", "tool_calls": [{ "id": "1", "type": "function", "function": { "name": "bash", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "1", "content": "ok" },
    ]);
    assert_eq!(read(ask_with(&model, history).await).await.unwrap().0, "Done.");
    model.assert_histories_are_valid();
}

#[tokio::test]
async fn queued_replies_go_first_and_by_their_words() {
    let model = ScriptedModel::start().await;
    model.push(Reply::text("first")).push(Reply::text("second")).on("for bob", Reply::text("bob's"));
    let mut said = Vec::new();
    for asked in ["x", "this is for bob", "y", "z"] {
        said.push(read(ask(&model, asked).await).await.unwrap().0);
    }
    assert_eq!(said, ["first", "bob's", "second", "Hello from the scripted model."]);
    assert_eq!(model.left(), 0);
}

#[tokio::test]
async fn a_cut_breaks_the_stream_and_an_early_end_does_not() {
    let model = ScriptedModel::start().await;
    assert!(read(ask(&model, "[[cut 2]]").await).await.is_err());
    model.push(Reply::text("a b").end_early());
    let (text, _, finish) = read(ask(&model, "").await).await.unwrap();
    assert_eq!((text.as_str(), finish), ("a b", None));
}

#[tokio::test]
async fn a_gate_holds_and_a_client_that_leaves_is_noticed() {
    let model = ScriptedModel::start().await;
    let gate = Gate::new();
    model.push(Reply::text("a").gate(&gate).delta("b"));
    let held = ask(&model, "").await;
    assert_eq!(model.replying(), 1);
    gate.open();
    assert_eq!(read(held).await.unwrap().0, "ab");
    let hanging = ask(&model, "[[hang 1]]").await;
    drop(hanging);
    model.wait_until_quiet().await;
    assert_eq!(model.abandoned(), 1);
}

#[tokio::test]
async fn a_request_without_stream_gets_one_object() {
    let model = ScriptedModel::start().await;
    model.push(Reply::new().every(Duration::from_millis(1)).say("so ").call("x", json!({ "a": 1 })));
    let body = json!({ "messages": [{ "role": "user", "content": "q" }] });
    let client = Client::new(&model.url());
    let answer: Value = client.post_json("/v1/chat/completions", &body).await.unwrap();
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["content"], "so ");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"a":1}"#);
    assert_eq!(choice["finish_reason"], "tool_calls");
}
