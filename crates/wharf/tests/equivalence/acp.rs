//! The door that editors use: the Agent Client Protocol on a WebSocket.

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wharf_testkit::{ScriptedModel, Workspace, within};

use crate::doors::{Door, Server};

/// One connection, on which everything but the reading of the log is done.
pub struct Acp {
    server: Server,
    socket: Mutex<WebSocketStream<MaybeTlsStream<TcpStream>>>,
}

impl Acp {
    pub async fn start(model: &ScriptedModel, workspace: &Workspace) -> Self {
        let server = Server::start(model, workspace).await;
        let address = server.process.url().replacen("http", "ws", 1) + "/acp";
        let mut request = address.into_client_request().unwrap();
        let key = format!("Bearer {}", server.process.key().unwrap());
        request.headers_mut().insert("authorization", key.parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let door = Self { server, socket: Mutex::new(socket) };
        door.call("initialize", json!({ "protocolVersion": 1 }), |_| None).await;
        door
    }

    /// A request, and its answer. `react` says what is to be sent when something comes before that.
    async fn call(&self, method: &str, params: Value, mut react: impl FnMut(&Value) -> Option<Value>) -> Value {
        let mut socket = self.socket.lock().await;
        let request = json!({ "jsonrpc": "2.0", "id": "it", "method": method, "params": params });
        socket.send(Message::text(request.to_string())).await.unwrap();
        loop {
            let message = within("a message", socket.next()).await.unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == "it" {
                return message;
            }
            if let Some(reaction) = react(&message) {
                socket.send(Message::text(reaction.to_string())).await.unwrap();
            }
        }
    }
}

impl Door for Acp {
    fn create(&self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let request = json!({ "cwd": self.server.workspace, "mcpServers": [] });
            let answer = self.call("session/new", request, |_| None).await;
            answer["result"]["sessionId"].as_str().unwrap().to_owned()
        })
    }

    fn turn<'a>(
        &'a self,
        session: &'a str,
        prompt: &'a str,
        approve: Option<&'a str>,
        cancel: bool,
    ) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let request = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": prompt }] });
            let (mut said, mut cancelled) = (String::new(), !cancel);
            self.call("session/prompt", request, |message| {
                if message["method"] == "session/request_permission" {
                    let outcome = json!({ "outcome": { "outcome": "selected", "optionId": approve.unwrap() } });
                    return Some(json!({ "jsonrpc": "2.0", "id": message["id"], "result": outcome }));
                }
                let update = &message["params"]["update"];
                if update["sessionUpdate"] == "agent_message_chunk" {
                    said += update["content"]["text"].as_str().unwrap();
                }
                if cancelled || !said.ends_with("on") {
                    return None;
                }
                cancelled = true;
                Some(json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } }))
            })
            .await;
            self.server.read(session).await
        })
    }
}
