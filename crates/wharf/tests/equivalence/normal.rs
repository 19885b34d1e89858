//! Events without what chance decides: ids by order of appearance, no times, neighbouring chunks of one text put together.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Fields whose values are names.
const IDS: [&str; 6] = ["session_id", "turn_id", "message_id", "call_id", "permission_id", "kept_from"];
/// Fields whose values are chance; estimates are, as the instructions name the workspace.
const CHANCE: [&str; 9] = [
    "timestamp",
    "duration_ms",
    "expires_at",
    "seq",
    "offset",
    "body_hash",
    "tokens_before",
    "tokens_after",
    "context_tokens",
];
/// What a client is called, and where its workspace and its model server are: a preview names paths, and its digest is made of them.
const PLACES: [&str; 7] = ["sender", "by", "cwd", "question", "paths", "digest", "endpoint"];

/// Each event as one line. Checks on the way that seqs grow by one and that chunks lie end to end.
pub fn form(events: &[Value]) -> Vec<String> {
    check_order(events);
    let mut names = HashMap::new();
    let mut merged: Vec<Value> = Vec::new();
    for event in events {
        if let Some(last) = merged.last_mut()
            && is_continued(last, event)
        {
            let more = event["payload"]["content"].as_str().unwrap().to_owned();
            let text = format!("{}{more}", last["payload"]["content"].as_str().unwrap());
            last["payload"]["content"] = text.into();
            continue;
        }
        merged.push(event.clone());
    }
    merged.iter().map(|event| clean(event, &mut names).to_string()).collect()
}

fn check_order(events: &[Value]) {
    let mut ends: HashMap<String, u64> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"].as_u64(), Some(index as u64 + 1), "{event}");
        let payload = &event["payload"];
        if let (Some(offset), Some(content)) = (payload["offset"].as_u64(), payload["content"].as_str()) {
            let text = format!("{}{}{}", event["type"], payload["message_id"], payload["call_id"]);
            let end = ends.entry(text).or_default();
            assert_eq!(offset, *end, "{event}");
            *end += content.len() as u64;
        }
    }
}

fn is_continued(last: &Value, next: &Value) -> bool {
    let is_chunk = ["message.chunk", "agent.thinking", "tool.call_progress"].contains(&next["type"].as_str().unwrap());
    let of = |event: &Value, field: &str| event["payload"][field].clone();
    is_chunk
        && last["type"] == next["type"]
        && of(last, "message_id") == of(next, "message_id")
        && of(last, "call_id") == of(next, "call_id")
}

fn clean(value: &Value, names: &mut HashMap<String, String>) -> Value {
    match value {
        Value::Object(fields) => {
            let clean_field = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value.as_str()) {
                    (key, Some(id)) if IDS.contains(&key) => {
                        let next = format!("{key} {}", names.len() + 1);
                        Value::from(names.entry(id.to_owned()).or_insert(next).clone())
                    }
                    (key, _) if CHANCE.contains(&key) || PLACES.contains(&key) => Value::from("-"),
                    ("path", Some(path)) => Value::from(path.rsplit('/').next().unwrap_or(path)),
                    _ => clean(value, names),
                };
                (key.clone(), value)
            };
            Value::Object(fields.iter().map(clean_field).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| clean(item, names)).collect(),
        other => other.clone(),
    }
}
