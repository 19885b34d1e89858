//! Events as lines, and which turn they are told for.

use wharf_protocol::event::{AgentIdle, MessageChunk};
use wharf_protocol::{Event, EventBody, Role, Seq};

use super::*;

fn encoded(turn: Option<&str>, body: impl Into<EventBody>) -> EncodedEvent {
    EncodedEvent::new(&Event {
        seq: Seq(7),
        session_id: "s".parse().unwrap(),
        turn_id: turn.map(|id| id.parse().unwrap()),
        timestamp: Timestamp(0),
        body: body.into(),
    })
}

fn chunk(content: &str) -> MessageChunk {
    MessageChunk {
        message_id: "m".parse().unwrap(),
        role: Role::Assistant,
        offset: 0,
        content: content.to_owned(),
        done: false,
    }
}

#[test]
fn an_event_is_three_lines() {
    let mut batch = Batch::default();
    batch.push(7, &encoded(None, AgentIdle {}));
    batch.push(9, &encoded(Some("t"), chunk("a\u{2028}b")));
    insta::assert_snapshot!(String::from_utf8(batch.bytes).unwrap(), @r#"
    event: agent.idle
    id: 7
    data: {"seq":7,"type":"agent.idle","session_id":"s","timestamp":"1970-01-01T00:00:00.000Z","payload":{}}

    event: message.chunk
    id: 9
    data: {"seq":7,"type":"message.chunk","session_id":"s","turn_id":"t","timestamp":"1970-01-01T00:00:00.000Z","payload":{"message_id":"m","role":"assistant","offset":0,"content":"a\u2028b","done":false}}

    "#);
}

#[test]
fn a_turn_is_told_by_its_own_field_only() {
    let mark = TurnMark::new(&"t".parse().unwrap());
    assert!(mark.is_on(&encoded(Some("t"), chunk("x"))));
    assert!(!mark.is_on(&encoded(Some("t2"), chunk("x"))));
    assert!(!mark.is_on(&encoded(None, chunk("x"))));
    assert!(!mark.is_on(&encoded(Some("u"), chunk(r#""turn_id":"t""#))));
    let long = "t".repeat(128);
    let mark = TurnMark::new(&long.parse().unwrap());
    assert!(mark.is_on(&encoded(Some(&long), chunk("x"))));
}
