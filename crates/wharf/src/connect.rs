//! The way to a server, or to an engine in this process.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use wharf_client::{ApiKey, Auth, AutoConfig, Client, Discovery, Found, Looked, RemoteOptions, Retry, Transport};
use wharf_engine::Caller;
use wharf_foreign::file;

use crate::config::{ClientMode, Config, TransportChoice};
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::state::{KEY_MAX_BYTES, StateDir};
use crate::terminal::{Style, clean};
use crate::wiring;

/// What every command works with.
pub struct Context {
    pub config: Config,
    /// Where it was read from, when that was said.
    pub config_file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    pub state: StateDir,
    pub given: Given,
}

/// What was said on purpose, which a server or a session that is there already may not know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given {
    /// `--model`
    pub model: bool,
    /// `--permission`
    pub permission: bool,
    /// The permission mode is not the default's.
    pub permission_set: bool,
    /// `--base-url` or `--api-key-env`: models that only this process has.
    pub own_models: bool,
}

impl Context {
    fn options(&self) -> RemoteOptions {
        let transport = match self.config.client.transport {
            TransportChoice::Sse => Transport::Sse,
            TransportChoice::Websocket => Transport::WebSocket,
        };
        RemoteOptions { transport, timeouts: self.config.client.timeouts(), retry: Retry::default() }
    }

    fn auto(&self) -> AutoConfig {
        AutoConfig { state_dir: self.state.path().to_owned(), options: self.options() }
    }

    /// Where work is done: a server, or this process. With `attended` false, questions of an engine in this process are
    /// refused at once: nobody else can reach it.
    pub async fn client(&self, attended: bool) -> anyhow::Result<Client> {
        let mode = self.config.client.mode;
        if mode != ClientMode::Embedded
            && let Some(client) = self.named_server()?
        {
            if self.given.own_models {
                return Err(own_models_elsewhere());
            }
            return Ok(client);
        }
        match mode {
            ClientMode::Embedded => self.embed(attended).await,
            ClientMode::Remote if self.given.own_models => Err(own_models_elsewhere()),
            ClientMode::Auto if self.given.own_models => {
                if let Some(server) = Discovery::find(self.state.path())? {
                    say_embedded(&format!("--base-url and --api-key-env do not reach the server at {}", server.url));
                }
                self.embed(attended).await
            }
            ClientMode::Auto => {
                let found = Client::auto(&self.auto(), |looked| {
                    match looked {
                        Looked::Silent(server, error) => {
                            say_embedded(&format!("the server at {} does not answer ({error})", server.url));
                        }
                        Looked::Nobody | Looked::Alive(..) => say_embedded("no server runs"),
                    }
                    self.embed(attended)
                })
                .await?;
                Ok(match found {
                    Found::Server(client, _) | Found::Embedded(client) => client,
                })
            }
            ClientMode::Remote => Ok(self.server().await?.0),
        }
    }

    /// A server, where one is named or runs here: for commands that otherwise look things up by themselves.
    pub async fn running_server(&self) -> anyhow::Result<Option<Client>> {
        if let Some(client) = self.named_server()? {
            return Ok(Some(client));
        }
        match self.config.client.mode {
            ClientMode::Embedded => Ok(None),
            ClientMode::Auto if self.given.own_models => Ok(None),
            ClientMode::Auto => Ok(Client::discover(&self.auto()).await?.map(|(client, _)| client)),
            ClientMode::Remote => self.server().await.map(|(client, _)| Some(client)),
        }
    }

    /// The server of this machine.
    pub async fn server(&self) -> anyhow::Result<(Client, Discovery)> {
        match Client::look(&self.auto()).await? {
            Looked::Alive(client, server) => Ok((client, server)),
            Looked::Nobody => Err(self.no_server()),
            Looked::Silent(server, error) => {
                let text = format!("the server at {} (process {}) does not answer: {error}", server.url, server.pid);
                Err(Failure::new(Exit::Unreachable, text).hint("try again in a moment; `wharf stop` stops it").into())
            }
        }
    }

    pub fn no_server(&self) -> anyhow::Error {
        no_server(&self.state)
    }

    /// The address of the server that is named, or that runs here, and the key for it.
    pub fn place(&self) -> anyhow::Result<Option<(String, Auth)>> {
        if let Some(client) = self.named_server()? {
            let url = client.url().unwrap_or_default().to_owned();
            let auth = self.auth_for(&url)?;
            return Ok(Some((url, auth)));
        }
        match Discovery::find(self.state.path())? {
            Some(server) => Ok(Some((server.url.clone(), server.auth()?))),
            None => Ok(None),
        }
    }

    /// The server that the configuration names.
    pub fn named_server(&self) -> anyhow::Result<Option<Client>> {
        let Some(url) = &self.config.client.server else { return Ok(None) };
        let auth = self.auth_for(url)?;
        let client = Client::remote_with(url, auth.clone(), self.options())?;
        let address = client.url().unwrap_or_default();
        if auth != Auth::None && address.starts_with("http://") && !is_this_machine(address) {
            tracing::warn!("the key goes to {address} unencrypted; use https:// or a tunnel");
        }
        Ok(Some(client))
    }

    /// The key for a server that was named: a variable, a file, or the one that this machine's own server left.
    fn auth_for(&self, url: &str) -> anyhow::Result<Auth> {
        if let Some(text) = self.environment.get("WHARF_KEY").filter(|text| !text.is_empty()) {
            return Ok(Auth::Key(ApiKey::new(text).context("WHARF_KEY")?));
        }
        if let Some(path) = &self.config.client.key_file {
            let text =
                file::read_text(path, KEY_MAX_BYTES).with_context(|| format!("the key file {}", path.display()))?;
            return Ok(Auth::Key(ApiKey::new(&text).with_context(|| format!("the key file {}", path.display()))?));
        }
        match Discovery::find(self.state.path())? {
            Some(server) if same_server(&server.url, url) => Ok(server.auth()?),
            _ => Ok(Auth::None),
        }
    }

    async fn embed(&self, attended: bool) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        if !attended {
            config.turns.unattended_permission_ms = 0;
        }
        let engine =
            wiring::engine(&config, self.config_file.as_deref(), false, &self.environment, &self.state).await?;
        let name = self.environment.get("USER").filter(|name| !name.is_empty()).map_or("local", String::as_str);
        Ok(Client::embedded(engine, Caller::owner(name), self.config.client.timeouts()))
    }
}

pub fn no_server(state: &StateDir) -> anyhow::Error {
    Failure::new(Exit::Unreachable, format!("no server runs on {}", state.path().display()))
        .hint("`wharf serve` starts one")
        .into()
}

/// Why the work is not given to a server, in one line: where a prompt runs is nothing to guess.
fn say_embedded(why: &str) {
    note(&Style::for_stderr().dim(&format!("{}: working in this process", clean(why))));
}

fn own_models_elsewhere() -> anyhow::Error {
    Failure::new(Exit::Usage, "a server uses its own models: --base-url and --api-key-env do not reach it")
        .hint("`wharf run` works in this process; or start the server with these options")
        .into()
}

/// Whether a server's address leads to this machine, by its name alone.
pub fn is_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => rest.split([':', '/']).next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Two spellings of one address; the key goes nowhere else.
fn same_server(known: &str, asked: &str) -> bool {
    let place =
        |url: &str| Client::remote(url, Auth::None).ok()?.url().map(|url| url.replace("//localhost:", "//127.0.0.1:"));
    place(known).is_some() && place(known) == place(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_address() {
        for url in ["http://127.0.0.1:4096", "http://127.9.9.9", "http://[::1]:1/x", "http://localhost:1", "localhost"]
        {
            assert!(is_this_machine(url), "{url}");
        }
        for url in
            ["http://127.evil.example", "http://localhost.example:1", "http://10.0.0.1", "https://[2001:db8::1]:1"]
        {
            assert!(!is_this_machine(url), "{url}");
        }
    }

    #[test]
    fn a_key_goes_only_to_the_server_that_it_is_for() {
        assert!(same_server("http://127.0.0.1:4096", "http://127.0.0.1:4096/api/v1"));
        assert!(same_server("http://127.0.0.1:4096", "localhost:4096"));
        assert!(!same_server("http://127.0.0.1:4096", "http://127.0.0.1:4097"));
        assert!(!same_server("http://127.0.0.1:4096", "https://127.0.0.1:4096"));
        assert!(!same_server("http://127.0.0.1:4096", "http://evil.example:4096"));
    }
}
