//! Peers of the server under test; every line that they are sent is checked against the protocol.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use wharf_testkit::acp::Peer;
pub use wharf_testkit::acp::{kinds, prompt, text};

use crate::support::{KEY, TestServer};

pub struct Client(Peer);

impl Client {
    pub async fn connect(server: &TestServer, path: &str, subprotocol: Option<&str>) -> Self {
        Self::connect_with(server, path, subprotocol, KEY).await
    }

    pub async fn connect_with(server: &TestServer, path: &str, subprotocol: Option<&str>, key: &str) -> Self {
        let key = format!("Bearer {key}");
        let mut headers = vec![("authorization", key.as_str())];
        headers.extend(subprotocol.map(|subprotocol| ("sec-websocket-protocol", subprotocol)));
        Self(Peer::socket(&format!("ws://{}{path}", server.address), &headers).await)
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

    pub async fn new_session(&mut self, server: &TestServer) -> String {
        let cwd = server.engine.config().work_dir.clone();
        let answer = self.call("session/new", json!({ "cwd": cwd, "mcpServers": [] })).await;
        answer["sessionId"].as_str().unwrap().to_owned()
    }
}

impl Deref for Client {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.0
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.0
    }
}
