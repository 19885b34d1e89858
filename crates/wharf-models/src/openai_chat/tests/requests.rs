//! Requests as they go out.

use std::sync::Arc;

use expect_test::expect;
use serde_json::{Value, json};
use wharf_protocol::content::EmbeddedResource;
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{CallId, ContentBlock, Message, MessageId, Role, Seq, Timestamp, ToolKind, ToolRequest, ToolSpec};

use super::super::Dialect;
use super::super::request::Body;
use wharf_protocol::model::Protocol;

use crate::ModelRequest;
use crate::origin::Origin;

fn message(role: Role, content: Vec<ContentBlock>) -> Message {
    Message {
        message_id: MessageId::from_bits(1),
        role,
        content,
        reasoning: String::new(),
        tool_calls: Vec::new(),
        call_id: None,
        tool_name: None,
        is_error: false,
        provider_data: None,
        turn_id: None,
        seq: Seq(1),
        created_at: Timestamp::default(),
    }
}

fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        system: "Be brief.".into(),
        messages: messages.into_iter().map(Arc::new).collect(),
        tools: Arc::new([]),
        max_tokens: None,
        thinking: wharf_protocol::Thinking::Default,
    }
}

fn written(request: &ModelRequest, images: bool) -> Value {
    let dialect = Dialect { max_completion_tokens: false, stream_options: true, reasoning: false };
    let body = Body { origin: &origin(), model: "tiny", request, dialect, images, effort: None };
    serde_json::from_slice(&serde_json::to_vec(&body).unwrap()).unwrap()
}

fn image() -> ContentBlock {
    ContentBlock::Image { data: "QUJD".to_owned(), mime_type: "image/png".to_owned(), uri: None }
}

fn call(id: &str, arguments: Value) -> ToolRequest {
    ToolRequest { call_id: id.parse().unwrap(), tool_name: "read_file".to_owned(), arguments, provider_data: None }
}

fn result(id: &str, content: Vec<ContentBlock>) -> Message {
    let call_id: CallId = id.parse().unwrap();
    Message { call_id: Some(call_id), ..message(Role::Tool, content) }
}

fn shown(messages: Vec<Message>, images: bool) -> String {
    let body = written(&request(messages), images);
    let lines: Vec<String> = body["messages"].as_array().unwrap().iter().skip(1).map(Value::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_conversation_with_tools() {
    let mut asked = message(Role::Assistant, vec![ContentBlock::text("I look.")]);
    asked.tool_calls = vec![call("a1", json!({"path": "a \"b\".rs"})), call("a2", json!("{\"path\":"))];
    let mut silent = message(Role::Assistant, vec![]);
    silent.tool_calls = vec![call("a3", json!({}))];
    let mut cut = message(Role::Assistant, vec![ContentBlock::text("It is ")]);
    cut.is_error = true;
    let messages = vec![
        message(Role::User, vec![ContentBlock::text("What "), ContentBlock::text("is it?")]),
        asked,
        result("a1", vec![ContentBlock::text("line\n\u{1}")]),
        result("a2", vec![]),
        silent,
        result("a3", vec![ContentBlock::text("ok")]),
        cut,
        message(Role::Assistant, vec![ContentBlock::text("")]),
        message(Role::User, vec![ContentBlock::text("Go on.")]),
    ];
    expect![[r#"
        {"role":"user","content":"What is it?"}
        {"role":"assistant","content":"I look.","tool_calls":[{"id":"a1","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"a \\\"b\\\".rs\"}"}},{"id":"a2","type":"function","function":{"name":"read_file","arguments":"{\"malformed\":\"{\\\"path\\\":\"}"}}]}
        {"role":"tool","content":"line\n\u0001","tool_call_id":"a1"}
        {"role":"tool","content":"","tool_call_id":"a2"}
        {"role":"assistant","content":null,"tool_calls":[{"id":"a3","type":"function","function":{"name":"read_file","arguments":"{}"}}]}
        {"role":"tool","content":"ok","tool_call_id":"a3"}
        {"role":"assistant","content":"It is "}
        {"role":"user","content":"Go on."}"#]].assert_eq(&shown(messages, true));
}

#[test]
fn blocks_that_are_not_text() {
    let resource = |text: Option<&str>| ContentBlock::Resource {
        resource: EmbeddedResource {
            uri: "file:///a".to_owned(),
            mime_type: None,
            text: text.map(str::to_owned),
            blob: None,
        },
    };
    let blocks = vec![
        ContentBlock::text("See"),
        image(),
        ContentBlock::Audio { data: "QUJD".to_owned(), mime_type: "audio/wav".to_owned() },
        ContentBlock::ResourceLink {
            uri: "file:///b.md".to_owned(),
            name: "b.md".to_owned(),
            mime_type: None,
            description: Some("notes".to_owned()),
        },
        resource(Some("content")),
        resource(None),
    ];
    expect![[r#"{"role":"user","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"text","text":"[audio (audio/wav), not played to this model]"},{"type":"text","text":"[b.md](file:///b.md): notes"},{"type":"text","text":"<resource uri=\"file:///a\">\ncontent\n</resource>"},{"type":"text","text":"[resource file:///a: binary, not shown to this model]"}]}"#]].assert_eq(&shown(vec![message(Role::User, blocks.clone())], true));
    expect![[r#"{"role":"user","content":"See\n[image (image/png), not shown to this model]\n[audio (audio/wav), not played to this model]\n[b.md](file:///b.md): notes\n<resource uri=\"file:///a\">\ncontent\n</resource>\n[resource file:///a: binary, not shown to this model]"}"#]].assert_eq(&shown(vec![message(Role::User, blocks)], false));
}

#[test]
fn images_of_results_follow_the_results() {
    let mut asked = message(Role::Assistant, vec![]);
    asked.tool_calls = vec![call("a1", json!({})), call("a2", json!({}))];
    let messages = vec![
        message(Role::User, vec![ContentBlock::text("Look")]),
        asked,
        result("a1", vec![ContentBlock::text("one"), image()]),
        result("a2", vec![ContentBlock::text("two")]),
    ];
    expect![[r#"
        {"role":"user","content":"Look"}
        {"role":"assistant","content":null,"tool_calls":[{"id":"a1","type":"function","function":{"name":"read_file","arguments":"{}"}},{"id":"a2","type":"function","function":{"name":"read_file","arguments":"{}"}}]}
        {"role":"tool","content":"one\n[image, shown below]","tool_call_id":"a1"}
        {"role":"tool","content":"two","tool_call_id":"a2"}
        {"role":"user","content":[{"type":"text","text":"Images from the tool results above:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}"#]].assert_eq(&shown(messages, true));
}

#[test]
fn what_a_model_said_for_itself_goes_back_to_it_alone() {
    let mut ours = message(Role::Assistant, vec![ContentBlock::text("x")]);
    ours.reasoning = "because".to_owned();
    let mut signed = call("a1", json!({}));
    signed.provider_data = Some(json!({"model": "test/tiny", "extra_content": {"google": {"thought_signature": "s"}}}));
    ours.tool_calls = vec![signed];
    ours.provider_data =
        Some(json!({"model": "test/tiny", "reasoning_details": [{"text": "t"}], "reasoning_content": true}));
    let mut theirs = ours.clone();
    theirs.provider_data.as_mut().unwrap()["model"] = json!("other/model");
    theirs.tool_calls[0].provider_data.as_mut().unwrap()["model"] = json!("other/model");
    expect![[r#"
        {"role":"assistant","content":"x","reasoning_content":"because","reasoning_details":[{"text":"t"}],"tool_calls":[{"id":"a1","type":"function","function":{"name":"read_file","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]}
        {"role":"assistant","content":"because\n\nx","tool_calls":[{"id":"a1","type":"function","function":{"name":"read_file","arguments":"{}"}}]}"#]].assert_eq(&shown(vec![ours, theirs], true));
}

#[test]
fn tools_limits_and_options() {
    let tool = ToolSpec {
        name: "odd name!".to_owned(),
        description: "Does it.".to_owned(),
        category: "files".to_owned(),
        kind: ToolKind::Read,
        source: ToolSource::Mcp,
        read_only: true,
        subject: None,
        parameters: json!({"type": "object", "properties": {}}),
        timeout_ms: 1,
    };
    let mut request = request(vec![message(Role::User, vec![ContentBlock::text("Hi")])]);
    request.tools = Arc::new([Arc::new(tool)]);
    request.max_tokens = Some(7);
    expect![[r#"{"model":"tiny","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"odd_name_","description":"Does it.","parameters":{"type":"object","properties":{}}}}],"max_tokens":7,"stream":true,"stream_options":{"include_usage":true}}"#]].assert_eq(&written(&request, true).to_string());
}

#[test]
fn a_longer_conversation_begins_with_the_same_bytes() {
    let dialect = Dialect { max_completion_tokens: false, stream_options: true, reasoning: false };
    let bytes = |request: &ModelRequest| {
        let body = Body { origin: &origin(), model: "tiny", request, dialect, images: true, effort: None };
        serde_json::to_string(&body).unwrap()
    };
    let first = message(Role::User, vec![ContentBlock::text("One")]);
    let second = message(Role::Assistant, vec![ContentBlock::text("Two")]);
    let shorter = bytes(&request(vec![first.clone()]));
    let longer = bytes(&request(vec![first, second]));
    let (same, _) = shorter.split_once("],\"stream\"").unwrap();
    assert!(longer.starts_with(same), "{longer}");
}

fn origin() -> Origin {
    Origin { id: "test/tiny".to_owned(), protocol: Protocol::Openai, endpoint: "models.test".to_owned() }
}
