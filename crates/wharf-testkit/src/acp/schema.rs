//! What an agent may send: messages of the protocol's types, strictly, and only what the client has said it can take.

use std::collections::HashMap;

use agent_client_protocol_schema::v1 as acp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Clients give up on longer lines.
const LINE_BYTES: usize = 10 << 20;
/// The key of Wharf's extensions.
const OWN: &str = "_wharf";

/// The other side of one connection: what it was asked and told, and so what it may send.
#[derive(Debug, Default)]
pub struct Schema {
    /// Methods of requests without an answer, by id as JSON.
    asked: HashMap<String, String>,
    capabilities: Value,
}

impl Schema {
    /// Takes note of what the client sends.
    pub fn sent(&mut self, message: &Value) {
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else { return };
        if method == "initialize" {
            self.capabilities = message["params"]["clientCapabilities"].clone();
        }
        self.asked.insert(id.to_string(), method.to_owned());
    }

    /// Reads a line of the agent.
    ///
    /// # Panics
    /// When it is none that an agent may send now; the message says why.
    pub fn received(&mut self, line: &str) -> Value {
        assert!(line.len() < LINE_BYTES, "a line of {} bytes", line.len());
        assert!(!line.contains(['\n', '\r']), "more than a line: {line:?}");
        let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
        self.check(&message);
        message
    }

    fn check(&mut self, message: &Value) {
        let Some(fields) = message.as_object() else { panic!("no object: {message}") };
        assert_eq!(fields.get("jsonrpc"), Some(&json!("2.0")), "{message}");
        for key in fields.keys() {
            assert!(["jsonrpc", "id", "method", "params", "result", "error"].contains(&key.as_str()), "{message}");
        }
        match (fields.get("method").map(Value::as_str), fields.get("id")) {
            (Some(None), _) => panic!("the method is no text: {message}"),
            (Some(Some(method)), id) => {
                assert!(!fields.contains_key("result") && !fields.contains_key("error"), "{message}");
                match id {
                    None => self.check_notification(method, &message["params"], message),
                    Some(_) => self.check_request(method, &message["params"], message),
                }
            }
            (None, Some(id)) => self.check_answer(id, fields, message),
            (None, None) => panic!("neither a call nor an answer: {message}"),
        }
    }

    fn check_notification(&self, method: &str, params: &Value, message: &Value) {
        match method {
            "session/update" => {
                same::<acp::SessionNotification>(params);
                assert!(params.get("_meta").is_none() || self.is_own(), "nobody asked for our own fields: {message}");
                match params["update"]["sessionUpdate"].as_str() {
                    Some("notice") => self.needs("/session/notices", message),
                    Some("compaction_update" | "compaction_summary_chunk") => {
                        self.needs("/session/compaction", message);
                    }
                    _ => {}
                }
                self.check_options(&params["update"], message);
            }
            "$/cancel_request" => same::<acp::CancelRequestNotification>(params),
            "elicitation/complete" => {
                self.needs("/elicitation/url", message);
                same::<acp::CompleteElicitationNotification>(params);
            }
            _ => assert!(method.starts_with(OWN) && self.is_own(), "an agent does not tell of {method}: {message}"),
        }
    }

    fn check_request(&self, method: &str, params: &Value, message: &Value) {
        match method {
            "session/request_permission" => same::<acp::RequestPermissionRequest>(params),
            "fs/read_text_file" => {
                self.needs("/fs/readTextFile", message);
                same::<acp::ReadTextFileRequest>(params);
            }
            "fs/write_text_file" => {
                self.needs("/fs/writeTextFile", message);
                same::<acp::WriteTextFileRequest>(params);
            }
            "elicitation/create" => {
                let mode = params["mode"].as_str().unwrap_or_default();
                self.needs(&format!("/elicitation/{mode}"), message);
                same::<acp::CreateElicitationRequest>(params);
            }
            "_discover_tools" => {
                self.needs("/_meta/_discover_tools", message);
                assert!(params["sessionId"].is_string(), "{message}");
            }
            "_call_tool" => {
                self.needs("/_meta/_discover_tools", message);
                let texts = ["sessionId", "toolCallId", "name"].iter().all(|field| params[field].is_string());
                assert!(texts && params["arguments"].is_object(), "{message}");
            }
            _ if method.starts_with("terminal/") => {
                self.needs("/terminal", message);
                match method {
                    "terminal/create" => same::<acp::CreateTerminalRequest>(params),
                    "terminal/output" => same::<acp::TerminalOutputRequest>(params),
                    "terminal/wait_for_exit" => same::<acp::WaitForTerminalExitRequest>(params),
                    "terminal/kill" => same::<acp::KillTerminalRequest>(params),
                    "terminal/release" => same::<acp::ReleaseTerminalRequest>(params),
                    _ => panic!("there is no {method}: {message}"),
                }
            }
            _ => assert!(method.starts_with(OWN) && self.is_own(), "an agent does not ask for {method}: {message}"),
        }
    }

    fn check_answer(&mut self, id: &Value, fields: &serde_json::Map<String, Value>, message: &Value) {
        let method = self.asked.remove(&id.to_string());
        match (fields.get("result"), fields.get("error")) {
            (None, Some(error)) => {
                same::<acp::Error>(error);
                let text = error["message"].as_str().unwrap_or_default();
                assert!(error["code"].is_i64() && !text.is_empty() && !text.contains('\n'), "{message}");
            }
            (Some(result), None) => {
                let Some(method) = method else { panic!("an answer to nothing: {message}") };
                self.check_result(&method, result, message);
            }
            _ => panic!("an answer is a result or an error: {message}"),
        }
    }

    fn check_result(&self, method: &str, result: &Value, message: &Value) {
        match method {
            "initialize" => {
                same::<acp::InitializeResponse>(result);
                let methods = result["authMethods"].as_array().map(Vec::as_slice).unwrap_or_default();
                if methods.iter().any(|method| method["type"] == "terminal") {
                    self.needs("/auth/terminal", message);
                }
            }
            "session/new" => same::<acp::NewSessionResponse>(result),
            "session/load" => same::<acp::LoadSessionResponse>(result),
            "session/resume" | "_wharf/session/attach" => same::<acp::ResumeSessionResponse>(result),
            "session/list" => same::<acp::ListSessionsResponse>(result),
            "session/prompt" => same::<acp::PromptResponse>(result),
            "session/set_config_option" => same::<acp::SetSessionConfigOptionResponse>(result),
            "session/set_mode" | "session/close" | "session/delete" | "logout" => assert_eq!(result, &json!({})),
            _ => assert!(method.starts_with(OWN) && self.is_own(), "{method} was answered: {message}"),
        }
        self.check_options(result, message);
    }

    fn check_options(&self, holder: &Value, message: &Value) {
        let options = holder["configOptions"].as_array().map(Vec::as_slice).unwrap_or_default();
        for option in options {
            if option["type"] == "boolean" {
                self.needs("/session/configOptions/boolean", message);
            }
        }
    }

    fn needs(&self, capability: &str, message: &Value) {
        let value = self.capabilities.pointer(capability);
        let is_there = value.is_some_and(|value| !value.is_null() && value != &json!(false));
        assert!(is_there, "the client has not said that it can do {capability}: {message}");
    }

    fn is_own(&self) -> bool {
        self.capabilities["_meta"].get(OWN).is_some()
    }
}

/// Read as the protocol's type and written again, nothing is lost, changed or added but what may be left out.
fn same<T: DeserializeOwned + Serialize>(value: &Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    let again = serde_json::to_value(read).unwrap_or_default();
    assert!(is_covered(value, &again), "off the schema: {value}\nread as: {again}");
}

fn is_covered(value: &Value, again: &Value) -> bool {
    match (value, again) {
        (Value::Object(value), Value::Object(again)) => {
            let all = value.iter().all(|(name, value)| again.get(name).is_some_and(|again| is_covered(value, again)));
            all && again.iter().all(|(name, again)| value.contains_key(name) || is_default(again))
        }
        (Value::Array(value), Value::Array(again)) => {
            value.len() == again.len() && value.iter().zip(again).all(|(value, again)| is_covered(value, again))
        }
        _ => value == again,
    }
}

/// What means the same as its absence.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().all(is_default),
        other => other.is_null() || *other == json!([]) || *other == json!(false),
    }
}

#[cfg(test)]
mod tests;
