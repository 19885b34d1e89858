//! Requests as they go out.

use std::sync::Arc;

use expect_test::expect;
use serde_json::{Value, json};
use wharf_protocol::content::EmbeddedResource;
use wharf_protocol::model::Protocol;
use wharf_protocol::{ContentBlock, Message, Role};

use super::super::decoder::Events;
use super::super::request::{Body, Options};
use crate::ModelRequest;
use crate::tests::{assistant, call, hear, image, logged, message, origin, request, result, stream, tool, user};

const OPTIONS: Options = Options { images: true, include: true, summary: true, effort: None, own_items: true };

fn written(request: &ModelRequest, options: Options) -> Value {
    let body = Body::new(&origin("tiny", Protocol::Responses), "tiny", request, options);
    serde_json::from_slice(&serde_json::to_vec(&body).unwrap()).unwrap()
}

fn input(messages: Vec<Message>, options: Options) -> String {
    let body = written(&request(messages), options);
    body["input"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_conversation_with_tools_and_images() {
    let messages = vec![
        user("What is it?"),
        assistant("I look.", vec![call("a1", json!({"path": "a \"b\""})), call("a2", json!("{\"path\":"))]),
        result("a1", vec![ContentBlock::text("one"), image()]),
        result("a2", vec![ContentBlock::text(" \n")]),
        assistant("", vec![]),
        message(Role::User, vec![ContentBlock::text("And this?"), image()]),
    ];
    expect![[r#"
        {"type":"message","role":"user","content":"What is it?"}
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]}
        {"type":"function_call","call_id":"a1","name":"read_file","arguments":"{\"path\":\"a \\\"b\\\"\"}"}
        {"type":"function_call","call_id":"a2","name":"read_file","arguments":"{\"malformed\":\"{\\\"path\\\":\"}"}
        {"type":"function_call_output","call_id":"a1","output":[{"type":"input_text","text":"one"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==","detail":"auto"}]}
        {"type":"function_call_output","call_id":"a2","output":"(no output)"}
        {"type":"message","role":"user","content":[{"type":"input_text","text":"And this?"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==","detail":"auto"}]}"#]].assert_eq(&input(messages.clone(), OPTIONS));
    expect![[r#"
        {"type":"message","role":"user","content":"What is it?"}
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]}
        {"type":"function_call","call_id":"a1","name":"read_file","arguments":"{\"path\":\"a \\\"b\\\"\"}"}
        {"type":"function_call","call_id":"a2","name":"read_file","arguments":"{\"malformed\":\"{\\\"path\\\":\"}"}
        {"type":"function_call_output","call_id":"a1","output":"one\n[image (image/png, 1x1 pixels), not shown to this model]"}
        {"type":"function_call_output","call_id":"a2","output":"(no output)"}
        {"type":"message","role":"user","content":"And this?\n[image (image/png, 1x1 pixels), not shown to this model]"}"#]]
    .assert_eq(&input(messages, Options { images: false, ..OPTIONS }));
}

#[test]
fn a_document_goes_along() {
    let resource = EmbeddedResource {
        uri: "file:///a/b.pdf".to_owned(),
        mime_type: Some("application/pdf".to_owned()),
        text: None,
        blob: Some("QUJD".to_owned()),
    };
    expect![[r#"{"type":"message","role":"user","content":[{"type":"input_file","filename":"b.pdf","file_data":"data:application/pdf;base64,QUJD"}]}"#]].assert_eq(&input(vec![message(Role::User, vec![ContentBlock::Resource { resource }])], OPTIONS));
}

#[test]
fn options_are_said_once_each() {
    let mut request = request(vec![user("Hi")]);
    request.tools = Arc::new([Arc::new(tool("odd name!"))]);
    request.max_tokens = Some(7);
    expect![[r#"{"model":"tiny","instructions":"Be brief.","input":[{"type":"message","role":"user","content":"Hi"}],"tools":[{"type":"function","name":"odd_name_","description":"Does it.","parameters":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]},"strict":false}],"include":["reasoning.encrypted_content"],"reasoning":{"effort":"low","summary":"auto"},"max_output_tokens":16,"store":false,"stream":true}"#]].assert_eq(&written(&request, Options { effort: Some("low"), ..OPTIONS }).to_string());
    let least = Options { include: false, summary: false, ..OPTIONS };
    request.tools = Arc::new([]);
    request.system = "".into();
    request.max_tokens = None;
    expect![[
        r#"{"model":"tiny","input":[{"type":"message","role":"user","content":"Hi"}],"store":false,"stream":true}"#
    ]]
    .assert_eq(&written(&request, least).to_string());
}

/// A reply with all that its provider wants back.
fn reply() -> Message {
    let reasoning = |id: &str| json!({ "type": "reasoning", "id": id, "summary": [], "encrypted_content": "secret" });
    let done =
        |index: u64, item: Value| json!({ "type": "response.output_item.done", "output_index": index, "item": item });
    let said = |text: &str| json!({ "type": "message", "phase": "commentary", "content": [{ "type": "output_text", "text": text }] });
    let heard = hear::<Events>(
        &["read_file"],
        [stream(&[
            done(0, reasoning("rs_1")),
            done(1, said("I look.")),
            done(2, json!({ "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read_file", "arguments": "{\"path\":\"a\"}" })),
            done(3, reasoning("rs_2")),
            json!({ "type": "response.completed", "response": { "status": "completed" } }),
        ])
        .as_slice()],
    );
    logged(&heard, &origin("tiny", Protocol::Responses))
}

#[test]
fn what_a_model_said_for_itself_goes_back_to_it_as_it_came() {
    let result = result("ours-0", vec![ContentBlock::text("ok")]);
    // Reasoning that led to nothing is refused, and so it stays behind.
    expect![[r#"
        {"type":"message","role":"user","content":"Go"}
        {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"secret"}
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}],"phase":"commentary"}
        {"type":"function_call","call_id":"call_1","name":"read_file","arguments":"{\"path\":\"a\"}"}
        {"type":"function_call_output","call_id":"call_1","output":"ok"}"#]]
    .assert_eq(&input(vec![user("Go"), reply(), result.clone()], OPTIONS));
    // Where the server could not read it.
    expect![[r#"
        {"type":"message","role":"user","content":"Go"}
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]}
        {"type":"function_call","call_id":"call_1","name":"read_file","arguments":"{\"path\":\"a\"}"}
        {"type":"function_call_output","call_id":"call_1","output":"ok"}"#]]
    .assert_eq(&input(vec![user("Go"), reply(), result.clone()], Options { own_items: false, ..OPTIONS }));
    let mut theirs = reply();
    for data in theirs.tool_calls.iter_mut().map(|call| &mut call.provider_data).chain([&mut theirs.provider_data]) {
        data.as_mut().unwrap()["endpoint"] = json!("elsewhere.example.org");
    }
    expect![[r#"
        {"type":"message","role":"user","content":"Go"}
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]}
        {"type":"function_call","call_id":"ours-0","name":"read_file","arguments":"{\"path\":\"a\"}"}
        {"type":"function_call_output","call_id":"ours-0","output":"ok"}"#]]
    .assert_eq(&input(vec![user("Go"), theirs, result], OPTIONS));
}

#[test]
fn a_message_that_was_changed_is_told_plainly() {
    let mut short = reply();
    short.content = vec![ContentBlock::text("I")];
    assert!(!input(vec![user("Go"), short], OPTIONS).contains("secret"));
    let mut fewer = reply();
    fewer.tool_calls.clear();
    assert!(!input(vec![user("Go"), fewer], OPTIONS).contains("secret"));
}

#[test]
fn two_calls_of_one_id_stay_two_calls() {
    let (first, mut second) = (reply(), reply());
    second.tool_calls[0].call_id = "ours-1".parse().unwrap();
    let results = ["ours-0", "ours-1"].map(|id| result(id, vec![ContentBlock::text(id)]));
    let [one, two] = results;
    let body = written(&request(vec![user("Go"), first, one, second, two]), OPTIONS);
    let ids: Vec<&str> = body["input"].as_array().unwrap().iter().filter_map(|item| item["call_id"].as_str()).collect();
    assert_eq!(ids, ["call_1", "call_1", "ours-1", "ours-1"]);
}

#[test]
fn a_longer_conversation_begins_with_the_same_bytes() {
    let bytes = |messages: Vec<Message>| {
        let request = request(messages);
        serde_json::to_string(&Body::new(&origin("tiny", Protocol::Responses), "tiny", &request, OPTIONS)).unwrap()
    };
    let shorter = bytes(vec![user("One"), reply()]);
    let longer = bytes(vec![user("One"), reply(), result("ours-0", vec![ContentBlock::text("ok")])]);
    let (same, _) = shorter.split_once("],\"include\"").unwrap();
    assert!(longer.starts_with(same), "{longer}");
}
