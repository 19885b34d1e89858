//! Configuration: one file, environment and flags over it, and for each value where it came from.

mod keys;
mod layers;
mod mcp;
mod providers;
mod show;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wharf_client::Timeouts;
use wharf_protocol::model::Protocol;
use wharf_protocol::rest::{ContainmentSetting, Limits};
use wharf_protocol::{Mode, Rule};

pub use keys::known_keys;
pub use layers::{ConfigError, Flags, Layered, Source, default_path, load};
pub use mcp::{McpSection, servers as mcp_servers};
pub use providers::{ProviderSection, profiles};
pub use show::show;

/// The whole configuration. Every key may stand in the file, in the environment (`server.port` is `WHARF_SERVER_PORT`), and
/// many have a flag; flags win over the environment, which wins over the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What new sessions use: `provider/name`. Absent: the first provider that has a key, then a local server, then `demo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `provider/name` of a small and cheap model for small work: it writes the titles of sessions that nobody named. Absent: the first words of
    /// their first prompts are their titles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small_model: Option<String>,
    /// `provider/name` of each: when a session's model fails in all its attempts, and nothing of its reply was shown, the session goes on with the
    /// first of these; with the next when that one fails too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback_models: Vec<String>,
    /// Of a model server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// What the server of `base_url`, or the provider of `model`, speaks: `openai` (chat completions), `responses` (OpenAI's Responses),
    /// `anthropic` (Messages) or `gemini`. Absent: `openai`, or what the provider is known for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Name of the environment variable that holds the key for `model` or `base_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The model's context, in place of what is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Where sessions work that name no directory. Absent: where the command was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<PathBuf>,
    /// Directories that sessions may work in, with everything below them. Empty: any.
    pub allowed_roots: Vec<PathBuf>,
    /// What new sessions may do without a question: `plan`, `ask`, `auto-edit` or `full`.
    pub permission: Mode,
    /// Calls that are always allowed, asked or denied.
    pub rules: Vec<Rule>,
    /// What happens to a turn that a dead server left behind.
    pub recovery: RecoveryChoice,
    /// Whether the agent's commands run in a process namespace of their own: `none`, `auto` (where the machine can) or `require`.
    pub containment: ContainmentSetting,
    /// Further environment variables that commands of the agent may see.
    pub pass_environment: Vec<String>,
    /// Model providers, by names of your own: `NAME/MODEL` is a model of one.
    pub providers: BTreeMap<String, ProviderSection>,
    /// MCP servers that every session has, by their names.
    pub mcp: BTreeMap<String, McpSection>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives like `wharf_engine=debug`.
    pub log: String,
    pub instructions: InstructionsSection,
    pub server: ServerSection,
    pub client: ClientSection,
    pub turns: TurnsSection,
    pub storage: StorageSection,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryChoice {
    /// It goes on by itself.
    Continue,
    /// It ends as `interrupted`.
    Interrupt,
}

/// What models are told of where a session works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InstructionsSection {
    /// `AGENTS.md`, or `CLAUDE.md` where there is none: the user's own beside the configuration, those from the top of the repository down to
    /// where the session works, and those below once a call works there.
    pub files: bool,
    /// The date, and the branch and status of the git repository, with a prompt.
    pub facts: bool,
}

impl Default for InstructionsSection {
    fn default() -> Self {
        Self { files: true, facts: true }
    }
}

/// `wharf serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    pub host: IpAddr,
    /// 0: a free one.
    pub port: u16,
    pub auth: AuthChoice,
    /// Listen on addresses that other machines reach, although there is no TLS and the key, prompts, answers and files can be read on
    /// the way.
    pub insecure: bool,
    /// Origins of web pages that may call.
    pub allowed_origins: Vec<String>,
    /// Further names under which this server is reached.
    pub allowed_hosts: Vec<String>,
    /// Threads that serve.
    pub workers: usize,
    /// How long running turns get when the server stops.
    pub drain_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AuthChoice {
    /// Everything needs the key in the state directory.
    Key,
    /// Everybody who can connect may do everything; on loopback only.
    None,
}

/// How commands find a server, and how long they wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSection {
    pub mode: ClientMode,
    /// How a server's events travel.
    pub transport: TransportChoice,
    /// A server's address, in place of the one of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// File that holds the key for `client.server`. The variable `WHARF_KEY` wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    pub connect_ms: u64,
    pub request_ms: u64,
    pub probe_ms: u64,
    pub turn_ms: u64,
    pub stream_idle_ms: u64,
    pub reconnect_ms: u64,
    pub ws_ping_ms: u64,
    pub shutdown_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ClientMode {
    /// The server of this machine where one runs, otherwise in this process.
    Auto,
    /// In this process.
    Embedded,
    /// A server, or an error.
    Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransportChoice {
    /// Server-sent events.
    Sse,
    /// For proxies that hold streams back; without TLS only.
    Websocket,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TurnsSection {
    /// Longest turn.
    pub max_ms: u64,
    /// Most tokens in one turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How often one model call is tried.
    pub model_attempts: u32,
    /// How long a permission waits for its answer.
    pub permission_ms: u64,
    /// The same with nobody attached who may answer.
    pub unattended_permission_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSection {
    /// Text deltas of turns that ended so long ago are dropped; the messages stay. 0 keeps them for ever.
    pub chunk_retention_ms: u64,
    /// A session that nobody used for so long leaves the memory.
    pub idle_unload_ms: u64,
    /// Connections to the database that read at the same time.
    pub readers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: None,
            small_model: None,
            fallback_models: Vec::new(),
            base_url: None,
            protocol: None,
            api_key_env: None,
            context_tokens: None,
            work_dir: None,
            allowed_roots: Vec::new(),
            permission: Mode::Ask,
            rules: Vec::new(),
            recovery: RecoveryChoice::Continue,
            containment: ContainmentSetting::None,
            pass_environment: Vec::new(),
            providers: BTreeMap::new(),
            mcp: BTreeMap::new(),
            log: "warn".to_owned(),
            instructions: InstructionsSection::default(),
            server: ServerSection::default(),
            client: ClientSection::default(),
            turns: TurnsSection::default(),
            storage: StorageSection::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 4096,
            auth: AuthChoice::Key,
            insecure: false,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            workers: 2,
            drain_ms: 25_000,
        }
    }
}

impl Default for ClientSection {
    fn default() -> Self {
        let waits = Timeouts::default();
        let ms = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self {
            mode: ClientMode::Auto,
            transport: TransportChoice::Sse,
            server: None,
            key_file: None,
            connect_ms: ms(waits.connect),
            request_ms: ms(waits.request),
            probe_ms: ms(waits.probe),
            turn_ms: ms(waits.turn),
            stream_idle_ms: ms(waits.stream_idle),
            reconnect_ms: ms(waits.reconnect_total),
            ws_ping_ms: ms(waits.ws_ping),
            shutdown_ms: ms(waits.shutdown),
        }
    }
}

impl ClientSection {
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: Duration::from_millis(self.connect_ms),
            request: Duration::from_millis(self.request_ms),
            probe: Duration::from_millis(self.probe_ms),
            turn: Duration::from_millis(self.turn_ms),
            stream_idle: Duration::from_millis(self.stream_idle_ms),
            reconnect_total: Duration::from_millis(self.reconnect_ms),
            ws_ping: Duration::from_millis(self.ws_ping_ms),
            shutdown: Duration::from_millis(self.shutdown_ms),
        }
    }
}

impl Default for TurnsSection {
    fn default() -> Self {
        Self {
            max_ms: 3_600_000,
            max_tokens: None,
            model_attempts: 4,
            permission_ms: 600_000,
            unattended_permission_ms: 30_000,
        }
    }
}

impl Default for StorageSection {
    fn default() -> Self {
        Self { chunk_retention_ms: 7 * 24 * 3_600_000, idle_unload_ms: 60_000, readers: 3 }
    }
}

#[cfg(test)]
mod tests;
