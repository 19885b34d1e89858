//! Frames spliced from encoded events say what frames built from values say.

use schemars::SchemaGenerator;
use wharf_protocol::event::{AgentIdle, Decision, MessageChunk, ModelRetrying, ToolCallStart};
use wharf_protocol::{Event, EventBody, Role, Seq, ToolKind};

use super::*;

fn encoded(body: impl Into<EventBody>) -> EncodedEvent {
    EncodedEvent::new(&Event {
        seq: Seq(42),
        session_id: "s".parse().unwrap(),
        turn_id: Some("t".parse().unwrap()),
        timestamp: Timestamp(0),
        body: body.into(),
    })
}

#[test]
fn an_event_moves_its_payload_up() {
    let chunk = encoded(MessageChunk {
        message_id: "m".parse().unwrap(),
        role: Role::Assistant,
        offset: 3,
        content: r#"","payload":{"#.to_owned(),
        done: false,
    });
    insta::assert_snapshot!(event(&chunk).as_str(), @r#"{"type":"event","id":"","timestamp":"1970-01-01T00:00:00.000Z","payload":{"kind":"message.chunk","event_type":"message.chunk","seq":42,"session_id":"s","turn_id":"t","timestamp":"1970-01-01T00:00:00.000Z","message_id":"m","role":"assistant","offset":3,"content":"\",\"payload\":{","done":false}}"#);
    let idle = encoded(AgentIdle {});
    insta::assert_snapshot!(event(&idle).as_str(), @r#"{"type":"event","id":"","timestamp":"1970-01-01T00:00:00.000Z","payload":{"kind":"agent.idle","event_type":"agent.idle","seq":42,"session_id":"s","turn_id":"t","timestamp":"1970-01-01T00:00:00.000Z"}}"#);
}

#[test]
fn splicing_and_rebuilding_say_the_same() {
    let idle = encoded(AgentIdle {});
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(read(&splice(&idle).unwrap()), read(&rebuild(&idle).unwrap()));
}

#[test]
fn a_field_of_the_same_name_keeps_its_place() {
    let call = encoded(ToolCallStart {
        call_id: "c".parse().unwrap(),
        tool_name: "bash".into(),
        arguments: json!({ "command": "ls" }),
        kind: ToolKind::Execute,
        title: "ls".into(),
        locations: Vec::new(),
        read_only: false,
        decision: Decision { allowed: true, reason: "mode full".into(), permission_id: None },
    });
    let frame: Value = serde_json::from_str(event(&call).as_str()).unwrap();
    assert_eq!(frame["payload"]["kind"], "tool_call");
    assert_eq!(frame["payload"]["tool_kind"], "execute");
    assert_eq!(frame["payload"]["event_type"], "tool.call_start");
    let retry = encoded(ModelRetrying { attempt: 1, max_attempts: 4, delay_ms: 5, error: "e".into(), turn_id: None });
    let frame: Value = serde_json::from_str(event(&retry).as_str()).unwrap();
    assert_eq!(frame["payload"]["turn_id"], "t");
}

/// The envelope's own fields would hide these, or be hidden.
#[test]
fn every_payload_that_clashes_is_known() {
    let schema = SchemaGenerator::default().into_root_schema_for::<Event>();
    let schema = schema.as_value();
    let own = ["kind", "event_type", "seq", "session_id", "turn_id", "timestamp"];
    for variant in schema["oneOf"].as_array().unwrap() {
        let name = variant["properties"]["type"]["const"].as_str().unwrap();
        let reference = variant["properties"]["payload"]["$ref"].as_str().unwrap();
        let fields = schema.pointer(&reference[1..]).unwrap()["properties"].as_object();
        let clashes = fields.is_some_and(|fields| fields.keys().any(|field| own.contains(&field.as_str())));
        assert_eq!(clashes, has_clashing_field(name.parse().unwrap()), "{name}");
    }
}

#[test]
fn a_chunk_frame_is_found_by_every_generation_of_clients() {
    let frame = Frame { seq: Seq(3), turn_id: "t".parse().unwrap(), body: FrameBody::Chunk { content: "hi".into() } };
    let frame: Value = serde_json::from_str(turn_frame("r", &frame).as_str()).unwrap();
    assert_eq!(frame["id"], "r");
    assert_eq!(
        frame["payload"],
        json!({ "type": "chunk", "kind": "chunk", "content": "hi", "done": false, "seq": 3, "turn_id": "t" })
    );
}
