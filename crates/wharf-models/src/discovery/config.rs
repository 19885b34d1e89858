//! What discovery is told, and what of it was set on purpose.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use reqwest::Url;

use super::ResolveError;
use super::presets::{PRESETS, Preset};
use super::profile::{BadProfile, KeySource, PROFILES_MAX, Profile};
use crate::demo::DemoModel;
use wharf_protocol::model::Protocol;

/// What discovery goes by. Libraries read no environment: it is passed in.
#[derive(Clone)]
pub struct ModelsConfig {
    /// The default model: `provider/name`, a provider alone, or with `base_url` a name alone.
    pub model: Option<String>,
    /// Of a model server, with or without `/v1` at its end.
    pub base_url: Option<String>,
    /// What the server of `base_url` speaks, or the provider of `model`; absent: chat completions, or what the provider is known for.
    pub protocol: Option<Protocol>,
    /// For the server of `base_url`, or the provider of `model`.
    pub key: Option<Arc<dyn KeySource>>,
    /// Providers that the user described, by their names.
    pub profiles: BTreeMap<String, Profile>,
    /// In place of what is known of a model.
    pub context_tokens: Option<u64>,
    /// Longest time without anything of the reply, in milliseconds. Comments and empty chunks are nothing of it.
    pub model_idle_ms: u64,
    /// The process's environment: keys (`OPENAI_API_KEY`, ...), base URLs (`OPENAI_BASE_URL`, ..., `OLLAMA_HOST`) and proxies (`HTTPS_PROXY`, ...).
    pub environment: BTreeMap<String, String>,
    /// Looked for on this machine, in this order.
    pub local_servers: Vec<LocalServer>,
}

/// A model server on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// First part of its models' ids.
    pub name: String,
    pub base_url: String,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        let server = |preset: &Preset| {
            let base_url = preset.base_url.filter(|_| preset.is_local())?;
            Some(LocalServer { name: preset.name.to_owned(), base_url: base_url.to_owned() })
        };
        Self {
            model: None,
            base_url: None,
            protocol: None,
            key: None,
            profiles: BTreeMap::new(),
            context_tokens: None,
            model_idle_ms: 300_000,
            environment: BTreeMap::new(),
            local_servers: PRESETS.iter().filter_map(server).collect(),
        }
    }
}

impl fmt::Debug for ModelsConfig {
    /// The environment and a base URL may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelsConfig")
            .field("model", &self.model)
            .field("base_url", &self.base_url.as_ref().map(|_| "..."))
            .field("protocol", &self.protocol)
            .field("key", &self.key.as_ref().map(|key| key.setting()))
            .field("profiles", &self.profiles)
            .field("context_tokens", &self.context_tokens)
            .field("model_idle_ms", &self.model_idle_ms)
            .field("local_servers", &self.local_servers)
            .finish_non_exhaustive()
    }
}

impl ModelsConfig {
    /// Whether every profile can be used as it is written. Keys are not looked at: one may come later.
    pub fn check(&self) -> Result<(), BadProfile> {
        if self.profiles.len() > PROFILES_MAX {
            let name = self.profiles.keys().nth(PROFILES_MAX).cloned().unwrap_or_default();
            return Err(BadProfile { name, field: None, reason: format!("is one too many: {PROFILES_MAX} at most") });
        }
        self.profiles.iter().try_for_each(|(name, profile)| profile.check(name))
    }

    /// The local servers, Ollama's where its own variable puts it.
    pub(super) fn servers(&self) -> Vec<LocalServer> {
        let mut servers = self.local_servers.clone();
        if let Some(host) = self.variable("OLLAMA_HOST")
            && let Some(ollama) = servers.iter_mut().find(|server| server.name == "ollama")
        {
            ollama.base_url = ollama_address(host);
        }
        servers
    }

    /// A variable that is set and says something.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// The model or the server that somebody set.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub provider: String,
    pub name: Option<String>,
    pub base_url: Option<Url>,
    pub protocol: Option<Protocol>,
}

/// What a server is called that was set by its URL alone.
const UNNAMED: &str = "custom";

impl Set {
    pub(super) fn of(config: &ModelsConfig) -> Result<Option<Self>, ResolveError> {
        let model = config.model.as_deref().map(str::trim).filter(|model| !model.is_empty());
        let protocol = config.protocol;
        let base_url = config.base_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let base_url = base_url
            .map(|url| parse_base_url(url, protocol.unwrap_or_default()))
            .transpose()
            .map_err(ResolveError::Misconfigured)?;
        // The built-in model has no server: the URL that is configured is for the others.
        let base_url = base_url.filter(|_| !model.is_some_and(DemoModel::is_called));
        let (provider, name) = match (model, &base_url) {
            (None, None) => return Ok(None),
            (None, Some(_)) => (UNNAMED, None),
            (Some(model), base_url) => match model.split_once('/') {
                Some((provider, name)) if !provider.is_empty() => (provider, (!name.is_empty()).then_some(name)),
                _ if base_url.is_some() => (UNNAMED, Some(model)),
                _ => (model, None),
            },
        };
        Ok(Some(Self { provider: provider.to_owned(), name: name.map(str::to_owned), base_url, protocol }))
    }
}

/// A base URL as people write it: without a scheme, without `/v1`, or with the endpoint itself.
pub(super) fn parse_base_url(text: &str, protocol: Protocol) -> Result<Url, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| format!("the base URL cannot be read: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("a base URL begins with http:// or https:// and names a host".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    let (endpoint, version) = match protocol {
        Protocol::Openai => ("/chat/completions", "/v1"),
        Protocol::Responses => ("/responses", "/v1"),
        Protocol::Gemini => ("/models", "/v1beta"),
        Protocol::Anthropic => ("/messages", "/v1"),
    };
    let path = path.strip_suffix(endpoint).unwrap_or(path);
    let path = match protocol {
        // Its base URLs are written without the version, behind whatever path.
        Protocol::Anthropic => format!("{}{version}", path.strip_suffix(version).unwrap_or(path)),
        _ if path.is_empty() => version.to_owned(),
        _ => path.to_owned(),
    };
    url.set_path(&path);
    Ok(url)
}

/// Ollama's variable says where to listen: it may lack the port, and name every address of the machine.
fn ollama_address(host: &str) -> String {
    let host = host.trim_end_matches('/').replace("0.0.0.0", "127.0.0.1");
    let (_, after_scheme) = host.split_once("://").unwrap_or(("", &host));
    if after_scheme.contains([':', '/']) || host.starts_with("https") { host } else { format!("{host}:11434") }
}

/// For listings: a URL may carry a password or a key.
pub(super) fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail only for URLs without a host, which carry no password either.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}
