//! The doors that editors use: the Agent Client Protocol on a WebSocket, and on the pipes of `wharf acp`.

use std::process::Command;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use wharf_testkit::acp::{Peer, prompt as prompt_of};
use wharf_testkit::{ScriptedModel, Workspace};

use crate::doors::{Door, Server};

/// One connection, on which everything but the reading of the log is done.
pub struct Acp {
    server: Server,
    peer: Mutex<Peer>,
}

impl Acp {
    pub async fn socket(model: &ScriptedModel, workspace: &Workspace) -> Self {
        let server = Server::start(model, workspace).await;
        let address = server.process.url().replacen("http", "ws", 1) + "/acp";
        let key = format!("Bearer {}", server.process.key().unwrap());
        let peer = Peer::socket(&address, &[("authorization", &key)]).await;
        Self::begin(server, peer).await
    }

    pub async fn stdio(model: &ScriptedModel, workspace: &Workspace) -> Self {
        let server = Server::start(model, workspace).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        let state = server.home.state.path();
        command.arg("acp").env("WHARF_STATE_DIR", state).env("XDG_CONFIG_HOME", state);
        Self::begin(server, Peer::process(command)).await
    }

    async fn begin(server: Server, mut peer: Peer) -> Self {
        peer.call("initialize", json!({ "protocolVersion": 1 })).await;
        Self { server, peer: Mutex::new(peer) }
    }
}

impl Door for Acp {
    fn create(&self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let request = json!({ "cwd": self.server.workspace, "mcpServers": [] });
            let answer = self.peer.lock().await.call("session/new", request).await;
            answer["sessionId"].as_str().unwrap().to_owned()
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
            let mut peer = self.peer.lock().await;
            let id = peer.request("session/prompt", prompt_of(session, prompt)).await;
            let (mut said, mut cancelled) = (String::new(), !cancel);
            loop {
                let message = peer.next().await;
                if message["method"] == "session/request_permission" {
                    peer.answer(&message, approve.unwrap()).await;
                } else if message["id"] == id {
                    break;
                }
                let update = &message["params"]["update"];
                if update["sessionUpdate"] == "agent_message_chunk" {
                    said += update["content"]["text"].as_str().unwrap();
                }
                if !cancelled && said.ends_with("on") {
                    cancelled = true;
                    peer.notify("session/cancel", json!({ "sessionId": session })).await;
                }
            }
            drop(peer);
            self.server.read(session).await
        })
    }

    fn compact<'a>(&'a self, session: &'a str, focus: &'a str) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let asked = prompt_of(session, &format!("/compact {focus}"));
            let answer = self.peer.lock().await.call("session/prompt", asked).await;
            assert_eq!(answer["stopReason"], "end_turn");
            self.server.read(session).await
        })
    }
}
