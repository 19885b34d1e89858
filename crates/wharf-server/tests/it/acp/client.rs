//! An ACP client that checks every line it is sent against the protocol's own types.

use std::collections::HashMap;

use agent_client_protocol_schema::v1 as acp;
use futures_util::{SinkExt, StreamExt};
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wharf_testkit::wait::within;

use crate::support::{KEY, TestServer};

pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub headers: HeaderMap,
    methods: HashMap<i64, String>,
    next_id: i64,
}

impl Client {
    pub async fn connect(server: &TestServer, path: &str, subprotocol: Option<&str>) -> Self {
        Self::connect_with(server, path, subprotocol, KEY).await
    }

    pub async fn connect_with(server: &TestServer, path: &str, subprotocol: Option<&str>, key: &str) -> Self {
        let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        if let Some(subprotocol) = subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        }
        let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self { socket, headers: response.headers().clone(), methods: HashMap::new(), next_id: 0 }
    }

    /// Connected and initialized, without any capability.
    pub async fn start(server: &TestServer) -> Self {
        Self::start_as(server, json!({})).await
    }

    /// Connected and initialized as our bridge is.
    pub async fn start_bridge(server: &TestServer) -> Self {
        Self::start_as(server, json!({ "_meta": { "_wharf": {} } })).await
    }

    pub async fn start_as(server: &TestServer, capabilities: Value) -> Self {
        let mut client = Self::connect(server, "/acp", None).await;
        let request = json!({ "protocolVersion": 1, "clientCapabilities": capabilities });
        client.call("initialize", request).await;
        client
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Sends a request without waiting for its answer.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        self.methods.insert(self.next_id, method.to_owned());
        self.send(json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params })).await;
        self.next_id
    }

    /// A request's result; what comes before it is passed over.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let mut messages = self.until_answer(id).await;
        let answer = messages.pop().unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub async fn fail(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let answer = self.until_answer(id).await.pop().unwrap();
        assert!(answer.get("result").is_none(), "{method}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains('\n'), "{answer}");
        answer["error"].clone()
    }

    pub async fn next(&mut self) -> Value {
        let text = within("a message", async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => return text.to_string(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("no message but {other:?}"),
                }
            }
        })
        .await;
        assert!(text.len() < 10 << 20, "a message of {} bytes", text.len());
        assert!(!text.contains('\n'), "{text}");
        let message: Value = serde_json::from_str(&text).unwrap();
        self.check(&message);
        message
    }

    /// Messages up to and including the first that `is_last` picks.
    pub async fn until(&mut self, mut is_last: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            let last = is_last(&message);
            messages.push(message);
            if last {
                return messages;
            }
        }
    }

    pub async fn until_answer(&mut self, id: i64) -> Vec<Value> {
        self.until(|message| message["id"] == id && message.get("method").is_none()).await
    }

    /// Up to the next update of this kind, which is returned.
    pub async fn update(&mut self, kind: &str) -> Value {
        let mut messages = self.until(|message| message["params"]["update"]["sessionUpdate"] == kind).await;
        messages.pop().unwrap()["params"]["update"].clone()
    }

    /// The next question: its id, and what it is about.
    pub async fn question(&mut self) -> Value {
        self.until(|message| message["method"] == "session/request_permission").await.pop().unwrap()
    }

    pub async fn answer(&mut self, question: &Value, option: &str) {
        let outcome = json!({ "outcome": { "outcome": "selected", "optionId": option } });
        self.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": outcome })).await;
    }

    /// Everything that is under way is here once this returns.
    pub async fn settle(&mut self) -> Vec<Value> {
        let id = self.request("_settle", json!({})).await;
        let mut messages = self.until_answer(id).await;
        messages.pop();
        messages
    }

    pub async fn new_session(&mut self, server: &TestServer) -> String {
        let cwd = server.engine.config().work_dir.clone();
        let answer = self.call("session/new", json!({ "cwd": cwd, "mcpServers": [] })).await;
        answer["sessionId"].as_str().unwrap().to_owned()
    }

    /// Sends a prompt without waiting for its end.
    pub async fn prompt(&mut self, session: &str, text: &str) -> i64 {
        self.request("session/prompt", prompt(session, text)).await
    }

    /// A whole turn: what came, and why it ended.
    pub async fn turn(&mut self, session: &str, text: &str) -> (Vec<Value>, Value) {
        let id = self.prompt(session, text).await;
        let mut messages = self.until_answer(id).await;
        let answer = messages.pop().unwrap();
        (messages, answer["result"]["stopReason"].clone())
    }

    fn check(&mut self, message: &Value) {
        let fields = message.as_object().unwrap();
        assert_eq!(fields["jsonrpc"], "2.0", "{message}");
        for key in fields.keys() {
            assert!(["jsonrpc", "id", "method", "params", "result", "error"].contains(&key.as_str()), "{message}");
        }
        match (message["method"].as_str(), message.get("id")) {
            (Some("session/update"), None) => same::<acp::SessionNotification>(&message["params"]),
            (Some("session/request_permission"), Some(_)) => {
                same::<acp::RequestPermissionRequest>(&message["params"]);
            }
            (Some("fs/read_text_file"), Some(_)) => same::<acp::ReadTextFileRequest>(&message["params"]),
            (Some("fs/write_text_file"), Some(_)) => same::<acp::WriteTextFileRequest>(&message["params"]),
            (Some("terminal/create"), Some(_)) => same::<acp::CreateTerminalRequest>(&message["params"]),
            (Some("terminal/output"), Some(_)) => same::<acp::TerminalOutputRequest>(&message["params"]),
            (Some("terminal/wait_for_exit"), Some(_)) => same::<acp::WaitForTerminalExitRequest>(&message["params"]),
            (Some("terminal/kill"), Some(_)) => same::<acp::KillTerminalRequest>(&message["params"]),
            (Some("terminal/release"), Some(_)) => same::<acp::ReleaseTerminalRequest>(&message["params"]),
            (Some("$/cancel_request"), None) => same::<acp::CancelRequestNotification>(&message["params"]),
            (Some(other), _) => panic!("the server must not call {other} here: {message}"),
            (None, Some(id)) => {
                let method = id.as_i64().and_then(|id| self.methods.remove(&id));
                assert!(fields.contains_key("result") != fields.contains_key("error"), "{message}");
                if let Some(error) = fields.get("error") {
                    same::<acp::Error>(error);
                } else {
                    check_result(method.as_deref().unwrap_or_default(), &message["result"]);
                }
            }
            (None, None) => panic!("{message}"),
        }
    }
}

pub fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

/// The texts of the chunks of a kind, put together.
pub fn text(messages: &[Value], kind: &str) -> String {
    let updates = messages.iter().map(|message| &message["params"]["update"]);
    updates
        .filter(|update| update["sessionUpdate"] == kind)
        .map(|update| update["content"]["text"].as_str().unwrap())
        .collect()
}

pub fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["params"]["update"]["sessionUpdate"].as_str()).collect()
}

fn check_result(method: &str, result: &Value) {
    match method {
        "initialize" => same::<acp::InitializeResponse>(result),
        "session/new" => same::<acp::NewSessionResponse>(result),
        "session/load" => same::<acp::LoadSessionResponse>(result),
        "session/resume" | "_wharf/session/attach" => same::<acp::ResumeSessionResponse>(result),
        "session/list" => same::<acp::ListSessionsResponse>(result),
        "session/prompt" => same::<acp::PromptResponse>(result),
        "session/set_config_option" => same::<acp::SetSessionConfigOptionResponse>(result),
        "session/set_mode" | "session/close" | "session/delete" | "logout" => assert_eq!(result, &json!({})),
        other => panic!("{other} was answered with {result}"),
    }
}

/// Read as the protocol's type and written again, nothing is lost, changed or added.
fn same<T: DeserializeOwned + Serialize>(value: &Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    let mut again = serde_json::to_value(read).unwrap();
    let mut value = value.clone();
    for value in [&mut again, &mut value] {
        without_defaults(value);
    }
    assert_eq!(again, value);
}

/// Absent, null, empty and false mean the same in capabilities.
fn without_defaults(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(without_defaults);
        fields.retain(|_, value| !value.is_null() && value != &json!([]) && value != &json!(false));
    } else if let Value::Array(items) = value {
        items.iter_mut().for_each(without_defaults);
    }
}
