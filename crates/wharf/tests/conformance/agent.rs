//! An agent behind one of its doors, with a scripted model.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use wharf_testkit::acp::Peer;
use wharf_testkit::process::WharfHome;
use wharf_testkit::{ScriptedModel, WharfProcess};

/// A way to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `/acp` of a server.
    WebSocket,
    /// `wharf acp` with a server.
    Stdio,
    /// `wharf acp --embedded`.
    Embedded,
}

pub struct Agent {
    pub door: Door,
    model: ScriptedModel,
    home: WharfHome,
    server: Option<WharfProcess>,
}

impl Agent {
    pub async fn start(door: Door) -> Self {
        let (model, home) = (ScriptedModel::start().await, WharfHome::new());
        let server = match door {
            Door::Embedded => None,
            Door::WebSocket | Door::Stdio => Some(home.server().model_url(model.url()).permission("ask").start().await),
        };
        Self { door, model, home, server }
    }

    /// Where sessions work.
    pub fn cwd(&self) -> PathBuf {
        self.home.work.path().to_owned()
    }

    pub fn exists(&self, file: &str) -> bool {
        self.cwd().join(file).exists()
    }

    /// A new connection, before its `initialize`.
    pub async fn connect(&self) -> Peer {
        if let (Door::WebSocket, Some(server)) = (self.door, &self.server) {
            let address = server.url().replacen("http", "ws", 1) + "/acp";
            let key = format!("Bearer {}", server.key().unwrap());
            return Peer::socket(&address, &[("authorization", &key)]).await;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.arg("acp");
        if self.door == Door::Embedded {
            command.arg("--embedded").env("WHARF_MODEL", "openai/scripted").env("WHARF_BASE_URL", self.model.url());
            command.env("WHARF_PERMISSION", "ask").env("OPENAI_API_KEY", "sk-test");
        }
        let state = self.home.state.path();
        command.env("WHARF_STATE_DIR", state).env("XDG_CONFIG_HOME", state).current_dir(self.cwd());
        command.env_remove("WHARF_CONFIG").env_remove("WHARF_KEY");
        Peer::process(command)
    }

    /// A client without any capability.
    pub async fn client(&self) -> Peer {
        self.client_with(json!({})).await
    }

    pub async fn client_with(&self, capabilities: Value) -> Peer {
        let mut client = self.connect().await;
        client.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": capabilities })).await;
        client
    }

    pub async fn session(&self, client: &mut Peer) -> String {
        let answer = client.call("session/new", json!({ "cwd": self.cwd(), "mcpServers": [] })).await;
        let id = answer["sessionId"].as_str().unwrap();
        assert!(!id.is_empty());
        id.to_owned()
    }

    /// The parameters that open a session that is there.
    pub fn open(&self, session: &str) -> Value {
        json!({ "sessionId": session, "cwd": self.cwd(), "mcpServers": [] })
    }
}
