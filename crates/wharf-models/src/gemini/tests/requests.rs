//! Requests as they go out.

use std::sync::Arc;

use expect_test::expect;
use serde_json::{Value, json};
use wharf_protocol::model::Protocol;
use wharf_protocol::{ContentBlock, Message, Role, Thinking};

use super::super::decoder::Chunks;
use super::super::request::{Body, Effort, Options};
use super::super::{Generation, effort, endpoint};
use crate::ModelRequest;
use crate::tests::{assistant, call, hear, image, logged, message, origin, request, result, stream, tool, user};

const NEW: Options =
    Options { images: true, images_in_results: true, signed: true, json_schema: true, thinking: Some(Effort::Default) };
const OLD: Options =
    Options { images: true, images_in_results: false, signed: false, json_schema: false, thinking: None };

fn written(request: &ModelRequest, options: Options) -> Value {
    let body = Body::new(&origin("tiny", Protocol::Gemini), request, options);
    serde_json::from_slice(&serde_json::to_vec(&body).unwrap()).unwrap()
}

fn contents(messages: Vec<Message>, options: Options) -> String {
    let body = written(&request(messages), options);
    body["contents"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

fn conversation() -> Vec<Message> {
    let mut failed = result("a1", vec![ContentBlock::text("no such file")]);
    failed.is_error = true;
    vec![
        user("What is it?"),
        assistant("I look.", vec![call("a1", json!({"path": "a"})), call("a2", json!("{\"path\":"))]),
        // They came in another order.
        result("a2", vec![ContentBlock::text("two"), image()]),
        failed,
        user("Go on."),
        assistant("It is ", vec![]),
        assistant("this.", vec![]),
        message(Role::User, vec![ContentBlock::text("And this?"), image()]),
    ]
}

#[test]
fn turns_alternate_and_results_stand_in_the_order_of_their_calls() {
    expect![[r#"
        {"role":"user","parts":[{"text":"What is it?"}]}
        {"role":"model","parts":[{"text":"I look."},{"functionCall":{"id":"a1","name":"read_file","args":{"path":"a"}}},{"functionCall":{"id":"a2","name":"read_file","args":{"malformed":"{\"path\":"}}}]}
        {"role":"user","parts":[{"functionResponse":{"id":"a1","name":"read_file","response":{"error":"no such file"}}},{"functionResponse":{"id":"a2","name":"read_file","response":{"output":"two\n[image, shown below]"}}},{"text":"Images from the tool results above:"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg=="}},{"text":"Go on."}]}
        {"role":"model","parts":[{"text":"It is "},{"text":"this."}]}
        {"role":"user","parts":[{"text":"And this?"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg=="}}]}"#]].assert_eq(&contents(conversation(), OLD));
    expect![[r#"
        {"role":"user","parts":[{"text":"What is it?"}]}
        {"role":"model","parts":[{"text":"I look."},{"functionCall":{"id":"a1","name":"read_file","args":{"path":"a"}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"a2","name":"read_file","args":{"malformed":"{\"path\":"}}}]}
        {"role":"user","parts":[{"functionResponse":{"id":"a1","name":"read_file","response":{"error":"no such file"}}},{"functionResponse":{"id":"a2","name":"read_file","response":{"output":"two\n[image, shown below]"},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg=="}}]}},{"text":"Go on."}]}
        {"role":"model","parts":[{"text":"It is "},{"text":"this."}]}
        {"role":"user","parts":[{"text":"And this?"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg=="}}]}"#]].assert_eq(&contents(conversation(), NEW));
}

#[test]
fn a_conversation_begins_with_the_user() {
    let first = &written(&request(vec![assistant("Hi", vec![]), user("Go")]), OLD)["contents"][0];
    assert_eq!(
        first,
        &json!({ "role": "user", "parts": [{ "text": "[The beginning of the conversation was left out.]" }] })
    );
}

#[test]
fn tools_and_options() {
    let mut request = request(vec![user("Hi")]);
    request.tools = Arc::new([Arc::new(tool("0 odd name!"))]);
    request.max_tokens = Some(7);
    expect![[r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"_0_odd_name_","description":"Does it.","parametersJsonSchema":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}]}],"generationConfig":{"maxOutputTokens":7,"thinkingConfig":{"includeThoughts":true}}}"#]].assert_eq(&written(&request, NEW).to_string());
    expect![[r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"_0_odd_name_","description":"Does it.","parameters":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}]}],"generationConfig":{"maxOutputTokens":7,"thinkingConfig":{"includeThoughts":true,"thinkingBudget":0}}}"#]].assert_eq(&written(&request, Options { thinking: Some(Effort::Budget(0)), ..OLD }).to_string());
}

fn reply() -> Message {
    let chunks = [json!({ "candidates": [{ "content": { "parts": [
            { "text": "Hm.", "thought": true },
            { "text": "I look." },
            { "functionCall": { "id": "f1", "name": "read_file", "args": { "path": "a" } }, "thoughtSignature": "S1" },
            { "functionCall": { "id": "f2", "name": "read_file", "args": { "path": "b" } } },
            { "text": "", "thoughtSignature": "S2" },
        ] }, "finishReason": "STOP" }] })];
    logged(&hear::<Chunks>(&["read_file"], [stream(&chunks).as_slice()]), &origin("tiny", Protocol::Gemini))
}

#[test]
fn signatures_go_back_to_their_model_alone_on_the_part_that_they_came_with() {
    let results = ["ours-0", "ours-1"].map(|id| result(id, vec![ContentBlock::text("ok")]));
    let with = |reply: Message| [vec![user("Go"), reply], results.to_vec()].concat();
    expect![[r#"
        {"role":"user","parts":[{"text":"Go"}]}
        {"role":"model","parts":[{"text":"I look."},{"functionCall":{"id":"f1","name":"read_file","args":{"path":"a"}},"thoughtSignature":"S1"},{"functionCall":{"id":"f2","name":"read_file","args":{"path":"b"}}},{"text":"","thoughtSignature":"S2"}]}
        {"role":"user","parts":[{"functionResponse":{"id":"f1","name":"read_file","response":{"output":"ok"}}},{"functionResponse":{"id":"f2","name":"read_file","response":{"output":"ok"}}}]}"#]].assert_eq(&contents(with(reply()), NEW));
    let mut theirs = reply();
    for data in theirs.tool_calls.iter_mut().map(|call| &mut call.provider_data).chain([&mut theirs.provider_data]) {
        data.as_mut().unwrap()["protocol"] = json!("openai");
    }
    expect![[r#"
        {"role":"user","parts":[{"text":"Go"}]}
        {"role":"model","parts":[{"text":"Hm."},{"text":"I look."},{"functionCall":{"id":"ours-0","name":"read_file","args":{"path":"a"}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"ours-1","name":"read_file","args":{"path":"b"}}}]}
        {"role":"user","parts":[{"functionResponse":{"id":"ours-0","name":"read_file","response":{"output":"ok"}}},{"functionResponse":{"id":"ours-1","name":"read_file","response":{"output":"ok"}}}]}"#]].assert_eq(&contents(with(theirs), NEW));
}

#[test]
fn a_name_says_which_model_it_is() {
    let of = Generation::of;
    assert_eq!(of("gemini-2.5-flash"), Generation::Numbered(2, 5));
    assert_eq!(of("models/gemini-3-pro-preview"), Generation::Numbered(3, 0));
    assert_eq!(of("gemini-flash-latest"), Generation::Latest);
    assert_eq!(of("tiny"), Generation::Other);
    let signed = ["gemini-2.5-pro", "gemini-3-flash", "gemini-4-argon", "gemini-flash-latest", "gemma-3"];
    assert_eq!(signed.map(|name| of(name).is_at_least(3, 0)), [false, true, true, true, false]);
    assert_eq!(effort(of("gemini-2.5-flash"), true, Thinking::Off), Effort::Budget(0));
    assert_eq!(effort(of("gemini-3-flash"), true, Thinking::Off), Effort::Level("minimal"));
    assert_eq!(effort(of("gemini-3-pro"), false, Thinking::High), Effort::Level("high"));
}

#[test]
fn the_key_is_not_in_the_url() {
    let base = "https://generativelanguage.googleapis.com/v1beta/".parse().unwrap();
    let wanted = "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse";
    assert_eq!(endpoint(&base, "gemini-3-flash").as_str(), wanted);
    assert_eq!(endpoint(&base, "models/gemini-3-flash").as_str(), wanted);
}
