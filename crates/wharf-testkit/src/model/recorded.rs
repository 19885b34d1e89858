//! What was asked of the model.

use std::collections::BTreeSet;

use serde_json::Value;

/// One request.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// The body as it came, to the byte.
    pub raw: String,
}

impl Recorded {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn messages(&self) -> &[Value] {
        messages(&self.body)
    }

    /// The text of the last message of the user.
    #[must_use]
    pub fn last_user_text(&self) -> String {
        last_user_text(&self.body)
    }

    /// The texts of the messages of one role, in order.
    #[must_use]
    pub fn texts_of(&self, role: &str) -> Vec<String> {
        self.messages().iter().filter(|message| message["role"] == role).map(text_of).collect()
    }

    /// The names of the tools on offer.
    #[must_use]
    pub fn tool_names(&self) -> Vec<String> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// Whether a provider would take the history: every tool call has exactly one result, right behind its message.
    pub fn check_history(&self) -> Result<(), String> {
        check_history(self.messages())
    }
}

pub(super) fn messages(body: &Value) -> &[Value] {
    body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn last_user_text(body: &Value) -> String {
    messages(body).iter().rev().find(|message| message["role"] == "user").map(text_of).unwrap_or_default()
}

/// How many messages of the assistant stand behind the last one of the user.
pub(super) fn step(body: &Value) -> usize {
    messages(body)
        .iter()
        .rev()
        .take_while(|message| message["role"] != "user")
        .filter(|m| m["role"] == "assistant")
        .count()
}

/// How many replies with tool calls stand behind the last message of the user.
pub(super) fn rounds(body: &Value) -> usize {
    let behind = messages(body).iter().rev().take_while(|message| message["role"] != "user");
    behind.filter(|message| message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty())).count()
}

/// A content that is a text, or the texts of its parts.
fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(""),
        _ => String::new(),
    }
}

pub(super) fn check_history(messages: &[Value]) -> Result<(), String> {
    let mut open = BTreeSet::new();
    for message in messages {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !open.remove(id) {
                return Err(format!("a tool result that answers no open call: {id:?}"));
            }
            continue;
        }
        if let Some(id) = open.first() {
            return Err(format!("tool call {id:?} has no result before the next {} message", message["role"]));
        }
        for call in message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let id = call["id"].as_str().unwrap_or_default();
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            if id.is_empty() || !open.insert(id) {
                return Err(format!("a tool call without an id of its own: {call}"));
            }
            if serde_json::from_str::<Value>(arguments).is_err() {
                return Err(format!("arguments that are not JSON: {call}"));
            }
        }
    }
    match open.first() {
        Some(id) => Err(format!("tool call {id:?} has no result")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! Histories a provider would refuse.

    use serde_json::{Value, json};

    use super::check_history;

    fn call(id: &str) -> Value {
        json!({ "id": id, "type": "function", "function": { "name": "x", "arguments": "{}" } })
    }

    #[test]
    fn each_call_needs_exactly_one_result_right_behind_it() {
        let asks = json!({ "role": "assistant", "tool_calls": [call("a"), call("b")] });
        let result = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": "" });
        let user = json!({ "role": "user", "content": "x" });
        let check = |list: &[&Value]| check_history(&list.iter().map(|v| (*v).clone()).collect::<Vec<_>>());
        let (a, b) = (result("a"), result("b"));
        assert_eq!(check(&[&user, &asks, &b, &a, &user]), Ok(()));
        assert!(check(&[&user, &asks, &a]).is_err());
        assert!(check(&[&user, &asks, &a, &user, &b]).is_err());
        assert!(check(&[&user, &asks, &a, &b, &b]).is_err());
        assert!(check(&[&user, &a]).is_err());
    }
}
