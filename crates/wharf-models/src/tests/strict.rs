//! Every wire against servers that are as strict as the real ones: what they would refuse, they refuse.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};
use wharf_protocol::{ContentBlock, Message, Role, StopReason};
use wharf_testkit::{Reply, ScriptedModel};

use super::{Heard, image, logged, message, request, result, tool, user};
use crate::anthropic::Anthropic;
use crate::gemini::Gemini;
use crate::http::Transport;
use crate::key::ApiKey;
use crate::openai_chat::OpenAiChat;
use crate::origin::Origin;
use crate::remote::Settings;
use crate::responses::Responses;
use crate::{Delta, Model, ModelRequest};

const KEY: &str = "sk-a-very-secret-key";

/// Each wire, with the name of a model that needs the most care there.
pub(super) const WIRES: [(Protocol, &str); 5] = [
    (Protocol::Openai, "scripted"),
    (Protocol::Responses, "scripted"),
    (Protocol::Gemini, "gemini-3-scripted"),
    (Protocol::Gemini, "gemini-2.5-scripted"),
    (Protocol::Anthropic, "claude-opus-4-8"),
];

/// A model on a server of its own.
pub(super) struct Place {
    pub(super) server: ScriptedModel,
    pub(super) model: Arc<dyn Model>,
    pub(super) origin: Origin,
}

pub(super) async fn place((protocol, name): (Protocol, &str)) -> Place {
    let server = ScriptedModel::start().await;
    let settings = Settings {
        provider: "test".to_owned(),
        name: name.to_owned(),
        base_url: server.url().parse().unwrap(),
        key: Some(ApiKey::new(KEY)),
        key_header: None,
        headers: reqwest::header::HeaderMap::new(),
        context_tokens: None,
        output_tokens: None,
        images: true,
        fitting: Arc::default(),
        idle: Duration::from_secs(20),
    };
    let transport = Arc::new(Transport::default());
    let model: Arc<dyn Model> = match protocol {
        Protocol::Responses => Arc::new(Responses::new(settings, transport).unwrap()),
        Protocol::Anthropic => Arc::new(Anthropic::new(settings, transport).unwrap()),
        Protocol::Gemini => Arc::new(Gemini::new(settings, transport).unwrap()),
        _ => Arc::new(OpenAiChat::new(settings, transport).unwrap()),
    };
    let origin = Origin { id: format!("test/{name}"), protocol, endpoint: server.address().to_string() };
    Place { server, model, origin }
}

fn asked(messages: &[Message]) -> ModelRequest {
    let tools = ["read_file", "list"].map(|name| Arc::new(tool(name)));
    ModelRequest { tools: Arc::new(tools), max_tokens: Some(500), ..request(messages.to_vec()) }
}

pub(super) async fn hear(model: &dyn Model, messages: &[Message]) -> Result<Heard, ModelError> {
    let mut stream = model.stream(asked(messages)).await?;
    let (mut text, mut reasoning) = (String::new(), String::new());
    while let Some(delta) = stream.next().await {
        match delta? {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
            Delta::Finished(reply) => return Ok(Heard { text, reasoning, end: Ok(reply) }),
        }
    }
    panic!("a stream without an end");
}

/// Asks and goes on with the calls until there are none. Ids of ours are the session's own.
async fn turn(place: &Place, messages: &mut Vec<Message>) -> String {
    loop {
        let heard = hear(&*place.model, messages).await.unwrap_or_else(|error| panic!("{:?}: {error}", place.origin));
        let mut said = logged(&heard, &place.origin);
        let number = messages.len();
        for (at, call) in said.tool_calls.iter_mut().enumerate() {
            call.call_id = format!("ours-{number}-{at}").parse().unwrap();
        }
        // Parallel calls end in any order.
        let results = said.tool_calls.iter().rev().map(|call| {
            let content = vec![ContentBlock::text(format!("result of {}", call.call_id)), image()];
            result(call.call_id.as_str(), content)
        });
        let results: Vec<Message> = results.collect();
        let is_last = results.is_empty();
        messages.push(said);
        messages.extend(results);
        if is_last {
            return heard.text;
        }
    }
}

fn scripted(server: &ScriptedModel) {
    server
        .push(
            Reply::new()
                .think("Two files. ")
                .say("I look. ")
                .call("read_file", json!({"path": "a"}))
                .call("list", json!({})),
        )
        .push(Reply::new().think("One more. ").call("read_file", json!({"path": "b"})))
        .push(Reply::new().think("Enough. ").say("All read."));
}

#[tokio::test]
async fn whole_turns_with_calls_images_and_reasoning() {
    for wire in WIRES {
        let place = place(wire).await;
        scripted(&place.server);
        let look = message(Role::User, vec![ContentBlock::text("Look at this."), image()]);
        let mut messages = vec![look];
        assert_eq!(turn(&place, &mut messages).await, "All read.", "{wire:?}");
        messages.push(user("Once more."));
        scripted(&place.server);
        assert_eq!(turn(&place, &mut messages).await, "All read.", "{wire:?}");
        place.server.assert_histories_are_valid();
        let last = place.server.requests().last().unwrap().body.to_string();
        let secret = match wire.0 {
            Protocol::Responses => Some("encrypted_content\":\"5157"),
            Protocol::Anthropic => Some("signature\":\"5157"),
            Protocol::Gemini => Some("thoughtSignature\":\"5157"),
            _ => None,
        };
        assert!(secret.is_none_or(|secret| last.matches(secret).count() >= 3), "{wire:?}: {last}");
    }
}

#[tokio::test]
async fn one_conversation_goes_over_all_wires_and_back() {
    let mut places = Vec::new();
    for wire in WIRES {
        places.push(place(wire).await);
    }
    let mut messages = Vec::new();
    // There and back, so that each wire follows each of its neighbours and meets its own words again.
    for at in [0, 1, 2, 3, 4, 3, 2, 4, 1, 4, 0, 4, 2, 1, 0, 2, 0, 3, 1] {
        messages.push(user("Go on."));
        scripted(&places[at].server);
        assert_eq!(turn(&places[at], &mut messages).await, "All read.", "{:?}", places[at].origin);
    }
    for place in &places {
        place.server.assert_histories_are_valid();
    }
    let back = places[1].server.requests().last().unwrap().body.to_string();
    assert!(back.contains("encrypted_content\":\"5157"), "its own reasoning comes back: {back}");
    assert!(!back.contains("thoughtSignature"), "{back}");
}

#[tokio::test]
async fn a_model_that_is_left_stops() {
    for wire in WIRES {
        let place = place(wire).await;
        place.server.push(Reply::text("a b ").hang());
        let mut stream = place.model.stream(asked(&[user("Go")])).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        assert!(matches!(first, Delta::Text(text) if "a b ".starts_with(&text)));
        drop(stream);
        place.server.wait_until_quiet().await;
        assert_eq!(place.server.abandoned(), 1, "{wire:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_no_reply() {
    for wire in WIRES {
        for broken in
            [Reply::text("a b c").cut(), Reply::new().call("list", json!({})).cut(), Reply::text("a").end_early()]
        {
            let place = place(wire).await;
            place.server.push(broken);
            let error = hear(&*place.model, &[user("Go")]).await;
            // Chat completions may end so: not every server sends a reason.
            let forgiven = wire.0 == Protocol::Openai && error.is_ok();
            assert!(forgiven || error.is_err_and(|error| error.kind == ModelErrorKind::Connection), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn refusals_and_errors_are_told_apart() {
    for wire in WIRES {
        let place = place(wire).await;
        let mut kinds = Vec::new();
        for (status, words) in
            [(401, "no"), (429, "slow down"), (503, "busy"), (400, "prompt is too long"), (404, "no such model")]
        {
            place.server.push(Reply::http_error(status, words).header("retry-after", "3"));
            let error = hear(&*place.model, &[user("Go")]).await.unwrap_err();
            assert!(!error.message.contains(KEY) && error.message.contains(words), "{error}");
            kinds.push((error.kind, error.retry_after_ms));
        }
        let overflow = ModelErrorKind::ContextOverflow { limit: None, asked: None };
        let wanted = [
            ModelErrorKind::Unauthorized,
            ModelErrorKind::RateLimited,
            ModelErrorKind::Overloaded,
            overflow,
            ModelErrorKind::Refused,
        ];
        assert_eq!(kinds, wanted.map(|kind| (kind, Some(3_000))), "{wire:?}");
        place.server.push(Reply::text("Well ").error("something broke"));
        let error = hear(&*place.model, &[user("Go")]).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::BadReply, "something broke"), "{wire:?}");
        place.server.push(Reply::text("It is cut").finish("length"));
        let stopped = hear(&*place.model, &[user("Go")]).await.unwrap().end.unwrap().stop_reason;
        assert_eq!(stopped, StopReason::MaxTokens, "{wire:?}");
    }
}

#[tokio::test]
async fn reasoning_that_its_server_cannot_read_stays_behind() {
    let place = place(WIRES[1]).await;
    place.server.push(Reply::new().think("Hm. ").say("Hi."));
    let mut messages = vec![user("Go")];
    turn(&place, &mut messages).await;
    let items = &mut messages[1].provider_data.as_mut().unwrap()["items"];
    items[0]["encrypted_content"] = json!("of another key");
    messages.push(user("Go on."));
    place.server.push(Reply::text("Without it."));
    assert_eq!(turn(&place, &mut messages).await, "Without it.");
    let accepted = place.server.requests();
    assert_eq!((place.server.request_count(), accepted.len()), (3, 2), "one was refused");
    assert!(!accepted[1].body.to_string().contains("of another key"));
}

#[tokio::test]
async fn the_key_goes_where_its_wire_wants_it() {
    for (wire, header, value) in [
        (WIRES[1], "authorization", format!("Bearer {KEY}")),
        (WIRES[2], "x-goog-api-key", KEY.to_owned()),
        (WIRES[4], "x-api-key", KEY.to_owned()),
    ] {
        let place = place(wire).await;
        place.server.push(Reply::text("Hi"));
        hear(&*place.model, &[user("Go")]).await.unwrap();
        let request = place.server.requests().remove(0);
        assert_eq!(request.header(header), Some(value.as_str()));
        assert!(!request.path.contains(KEY), "{}", request.path);
        assert_eq!(request.body.get("store").unwrap_or(&Value::Bool(false)), &json!(false));
    }
}
