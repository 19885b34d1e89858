//! One provider as it is used: what the user says of it, over what is known of it by name, over what all have in common.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Mutex;
use wharf_protocol::model::{ModelReply, Protocol};
use wharf_protocol::{CallCost, Price};

use super::ResolveError;
use super::config::{LocalServer, ModelsConfig, Set, parse_base_url};
use super::list::{FoundModel, Listed};
use super::presets::{PRESETS, Place, Preset, preset};
use super::profile::{KeySource, ModelSettings, Profile, Variable, headers};
use crate::Model;
use crate::anthropic::{self, Anthropic};
use crate::catalogue::{self, Entry};
use crate::gemini::{self, Gemini};
use crate::http::{Network, Transport};
use crate::image::Images;
use crate::key::ApiKey;
use crate::openai_chat::OpenAiChat;
use crate::remote::{InvalidKey, Settings, bearer};
use crate::responses::Responses;

/// How a provider came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By `base_url`.
    Set,
    /// By `[providers.NAME]`.
    Profile,
    /// By its name alone.
    Known,
    /// A server on this machine, at its usual place.
    Local,
}

/// One provider.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) preset: Option<&'static Preset>,
    pub(super) protocol: Protocol,
    /// Where requests go, or why that cannot be said.
    pub(super) base_url: Result<Url, String>,
    /// What the user changes to change it.
    pub(super) url_setting: String,
    pub(super) key: Option<Arc<dyn KeySource>>,
    /// Held while a key is asked for: who needs it at the same time waits for the same answer.
    held: Mutex<Option<ApiKey>>,
    headers: HeaderMap,
    pub(super) transport: Arc<Transport>,
    /// Where only the provider is named.
    pub(super) model: Option<String>,
    pub(super) models: BTreeMap<String, ModelSettings>,
    /// Of all its models, over what its server says.
    context_tokens: Option<u64>,
    idle: Duration,
    pub(super) attempts: Option<u32>,
    pub(super) listed: Mutex<Option<Listed>>,
}

impl Account {
    /// Every provider there is, the ones that were set first. Of several with one name only the first is used.
    pub(super) fn all(config: &ModelsConfig, set: Option<&Set>, transport: &Arc<Transport>) -> Vec<Arc<Self>> {
        let mut accounts: Vec<Self> = Vec::new();
        accounts.extend(set.and_then(|set| Self::set(config, set, transport)));
        accounts.extend(config.profiles.iter().map(|(name, profile)| Self::profile(config, name, profile)));
        accounts.extend(
            PRESETS
                .iter()
                .filter(|preset| !preset.is_local())
                .map(|preset| Self::known(config, preset, set, transport)),
        );
        accounts.extend(config.servers().iter().map(|server| Self::local(config, server, transport)));
        let mut names = std::collections::HashSet::new();
        accounts.into_iter().filter(|account| names.insert(account.name.clone())).map(Arc::new).collect()
    }

    fn new(config: &ModelsConfig, kind: Kind, name: &str, transport: Arc<Transport>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            preset: None,
            protocol: Protocol::default(),
            base_url: Err(String::new()),
            url_setting: "base_url".to_owned(),
            key: None,
            held: Mutex::default(),
            headers: HeaderMap::new(),
            transport,
            model: None,
            models: BTreeMap::new(),
            context_tokens: config.context_tokens,
            idle: Duration::from_millis(config.model_idle_ms),
            attempts: None,
            listed: Mutex::default(),
        }
    }

    fn set(config: &ModelsConfig, set: &Set, transport: &Arc<Transport>) -> Option<Self> {
        let base_url = set.base_url.clone()?;
        let known = preset(&set.provider);
        // A provider's own key follows its name to another URL: both were named on purpose.
        let usual = known.and_then(|preset| preset.key_variable).filter(|name| config.variable(name).is_some());
        let key = config.key.clone().or_else(|| usual.map(|name| variable(config, name)));
        Some(Self {
            preset: known,
            protocol: set.protocol.unwrap_or_default(),
            base_url: Ok(base_url),
            key,
            model: set.name.clone(),
            ..Self::new(config, Kind::Set, &set.provider, Arc::clone(transport))
        })
    }

    fn profile(config: &ModelsConfig, name: &str, profile: &Profile) -> Self {
        let known = preset(profile.preset.as_deref().unwrap_or(name));
        let setting = |field: &str| format!("providers.{name}.{field}");
        let protocol = profile.protocol.or(known.map(|preset| preset.protocol)).unwrap_or_default();
        let network = Network {
            environment: config.environment.clone(),
            proxy: profile.proxy.clone(),
            proxy_setting: setting("proxy"),
            authorities: profile.authorities.clone(),
            connect: profile.connect_ms.map(Duration::from_millis),
        };
        let transport = Arc::new(Transport::new(network));
        let own = profile.base_url.as_deref().map(|url| (parse_base_url(url, protocol), setting("base_url")));
        let (base_url, url_setting) = own.unwrap_or_else(|| match known {
            Some(known) => known_base_url(config, known, protocol, &setting("base_url")),
            None => (Err("it has no base_url".to_owned()), setting("base_url")),
        });
        let mut all = known.map(preset_headers).unwrap_or_default();
        // Checked before; what cannot be a header is none.
        all.extend(headers(&profile.headers).unwrap_or_default());
        let usual = known.and_then(|preset| preset.key_variable).map(|name| variable(config, name));
        let new = Self::new(config, Kind::Profile, name, transport);
        Self {
            preset: known,
            protocol,
            base_url,
            url_setting,
            key: profile.key.clone().or(usual),
            headers: all,
            model: profile.model.clone(),
            models: profile.models.clone(),
            // What is set for all providers together is no word on one that was described by itself.
            context_tokens: profile.context_tokens,
            idle: profile.idle_ms.map_or(new.idle, Duration::from_millis),
            attempts: profile.attempts,
            ..new
        }
    }

    fn known(config: &ModelsConfig, preset: &'static Preset, set: Option<&Set>, transport: &Arc<Transport>) -> Self {
        // What was set for a provider that is known by name.
        let set = set.filter(|set| set.base_url.is_none() && set.provider == preset.name);
        let own = format!("providers.{}.base_url", preset.name);
        let (base_url, url_setting) = known_base_url(config, preset, preset.protocol, &own);
        let stands_in = base_url
            .as_ref()
            .is_ok_and(|url| preset.base_url.is_some_and(|known| !known.contains(url.host_str().unwrap_or_default())));
        // A server that stands in for OpenAI speaks chat completions: few others know Responses.
        let protocol = match preset.protocol {
            Protocol::Responses if stands_in => Protocol::Openai,
            protocol => protocol,
        };
        let protocol = set.and_then(|set| set.protocol).unwrap_or(protocol);
        let (base_url, _) = match protocol == preset.protocol {
            true => (base_url, String::new()),
            false => known_base_url(config, preset, protocol, &own),
        };
        let given = set.and(config.key.clone());
        Self {
            preset: Some(preset),
            protocol,
            base_url,
            url_setting,
            key: given.or_else(|| preset.key_variable.map(|name| variable(config, name))),
            headers: preset_headers(preset),
            ..Self::new(config, Kind::Known, preset.name, Arc::clone(transport))
        }
    }

    fn local(config: &ModelsConfig, server: &LocalServer, transport: &Arc<Transport>) -> Self {
        Self {
            preset: preset(&server.name),
            base_url: parse_base_url(&server.base_url, Protocol::Openai),
            url_setting: match server.name.as_str() {
                "ollama" => "OLLAMA_HOST".to_owned(),
                name => format!("providers.{name}.base_url"),
            },
            ..Self::new(config, Kind::Local, &server.name, Arc::clone(transport))
        }
    }

    /// Its URL, or why it cannot be used.
    pub(super) fn url(&self) -> Result<&Url, ResolveError> {
        let told = |reason: &String| match self.kind {
            Kind::Local => ResolveError::NotRunning { provider: self.name.clone(), reason: reason.clone() },
            _ => ResolveError::Misconfigured(format!("{}: {}: {reason}", self.name, self.url_setting)),
        };
        self.base_url.as_ref().map_err(told)
    }

    /// Whether it has what it needs, as far as that is seen without running or asking anything.
    pub(super) fn look(&self) -> Result<(), String> {
        self.base_url.as_ref().map_err(|reason| format!("{}: {reason}", self.url_setting))?;
        self.key.as_ref().map_or(Ok(()), |key| key.look())
    }

    /// Whether its key's variable alone makes it the default.
    pub(super) fn is_found_by_key(&self) -> bool {
        self.kind == Kind::Known && self.preset.is_some_and(|preset| preset.place == Place::Hosted)
    }

    /// The key that is used now, which is another than `refused`, if there is another.
    pub(super) async fn key(&self, refused: Option<&ApiKey>) -> Result<Option<ApiKey>, ResolveError> {
        let Some(source) = &self.key else { return Ok(None) };
        let mut held = self.held.lock().await;
        if let Some(key) = held.as_ref().filter(|key| Some(*key) != refused) {
            return Ok(Some(key.clone()));
        }
        let key = source.key().await;
        let key = key.map_err(|reason| ResolveError::NoKey { provider: self.name.clone(), reason })?;
        *held = Some(key.clone());
        Ok(Some(key))
    }

    /// The provider's model of that name, with a key.
    pub(super) fn model(
        &self,
        name: &str,
        key: Option<ApiKey>,
        fitting: &Arc<Images>,
    ) -> Result<Arc<dyn Model>, ResolveError> {
        let said = self.said(name);
        let settings = Settings {
            provider: self.name.clone(),
            name: name.to_owned(),
            base_url: self.url()?.clone(),
            key,
            key_header: self.preset.and_then(|preset| preset.key_header),
            headers: self.headers.clone(),
            context_tokens: self.window(name, None),
            output_tokens: said.output_tokens.or_else(|| self.entry(name)?.max_output),
            images: said.images.or_else(|| self.entry(name)?.images).unwrap_or(true),
            fitting: Arc::clone(fitting),
            idle: self.idle,
        };
        let transport = Arc::clone(&self.transport);
        let made: Result<Arc<dyn Model>, InvalidKey> = match self.protocol {
            Protocol::Openai => OpenAiChat::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
            Protocol::Responses => Responses::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
            Protocol::Gemini => Gemini::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
            Protocol::Anthropic => Anthropic::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
        };
        made.map_err(|InvalidKey| self.invalid_key())
    }

    pub(super) fn invalid_key(&self) -> ResolveError {
        let setting = self.key.as_ref().map(|key| format!(" ({})", key.setting())).unwrap_or_default();
        ResolveError::Misconfigured(format!("the key for {}{setting} holds characters that no header can", self.name))
    }

    /// The headers of a request that is no prompt: a list of models, a question for a window.
    pub(super) fn headers(&self, key: Option<&ApiKey>) -> Result<HeaderMap, ResolveError> {
        let url = self.url()?;
        let headers = match self.protocol {
            Protocol::Openai | Protocol::Responses => bearer(key, self.preset.and_then(|preset| preset.key_header)),
            Protocol::Gemini => gemini::headers(key),
            Protocol::Anthropic => anthropic::headers(url, key),
        };
        let mut headers = headers.map_err(|InvalidKey| self.invalid_key())?;
        headers.extend(self.headers.clone());
        Ok(headers)
    }

    /// What the user says of a model.
    pub(super) fn said(&self, name: &str) -> ModelSettings {
        self.models.get(name).copied().unwrap_or_default()
    }

    /// Its model where nobody names one. At a URL that was set on purpose nobody knows which there are.
    pub(super) fn usual_model(&self) -> Option<&str> {
        let preset = self.preset.filter(|_| self.kind != Kind::Set);
        self.model.as_deref().or_else(|| preset?.default_model)
    }

    /// What is generally known of a model, where this is the provider that it is known of.
    pub(super) fn entry(&self, name: &str) -> Option<&'static Entry> {
        let preset = self.preset?;
        let host = |url: &Url| url.host_str().map(str::to_owned);
        let own = preset.base_url.and_then(|url| host(&url.parse().ok()?))?;
        let is_there = self.base_url.as_ref().ok().and_then(host) == Some(own);
        is_there.then(|| catalogue::at(preset.name, name)).flatten()
    }

    /// What its server's list says of a model, when it was last read.
    pub(super) fn listed(&self, name: &str) -> Option<FoundModel> {
        self.last_list()?.outcome.ok()?.model(name).cloned()
    }

    /// What a conversation may grow to, in tokens. `told`: what the server says when it is asked for this model alone.
    pub(super) fn window(&self, name: &str, told: Option<u64>) -> Option<u64> {
        if let Some(stated) = self.stated_window(name) {
            return Some(stated);
        }
        let known = self.known_window(name, told);
        // A request above the step costs more in all of its tokens: nobody goes there without being told to.
        let step = self.price(name).and_then(|price| price.above).map(|above| above.prompt_tokens);
        known.into_iter().chain(step.filter(|_| known.is_some())).min()
    }

    /// The window itself, whatever it costs to fill it.
    pub(super) fn known_window(&self, name: &str, told: Option<u64>) -> Option<u64> {
        let listed = || self.listed(name)?.context_tokens;
        told.or_else(listed).or_else(|| Some(self.entry(name)?.takes())).or_else(|| catalogue::window(name))
    }

    /// What a model costs, from who knows it best.
    pub(super) fn price(&self, name: &str) -> Option<Price> {
        self.said(name).price.or_else(|| self.listed(name)?.price).or_else(|| self.entry(name)?.price)
    }

    /// What a call has cost. A provider that says it knows better than any list; but a price that the user set is what the user pays.
    pub(super) fn cost(&self, name: &str, reply: &ModelReply) -> Option<CallCost> {
        let usage = reply.usage?;
        if let Some(price) = self.said(name).price {
            return price.of(&usage);
        }
        let is_told = self.preset.is_some_and(|preset| preset.tells_cost);
        reply.cost.filter(|_| is_told).or_else(|| self.price(name)?.of(&usage))
    }

    /// The window that the user says the model has.
    pub(super) fn stated_window(&self, name: &str) -> Option<u64> {
        self.said(name).context_tokens.or(self.context_tokens)
    }
}

fn variable(config: &ModelsConfig, name: &str) -> Arc<dyn KeySource> {
    Arc::new(Variable { name: name.to_owned(), value: config.variable(name).map(ApiKey::new) })
}

fn preset_headers(preset: &Preset) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    preset.headers.iter().map(pair).collect()
}

/// Where the requests of a known provider go, and what says so: its variable (`OPENAI_BASE_URL`), or its own place, which `setting` changes.
fn known_base_url(
    config: &ModelsConfig,
    preset: &Preset,
    protocol: Protocol,
    setting: &str,
) -> (Result<Url, String>, String) {
    let variable = preset.url_variable();
    if let Some(url) = config.variable(&variable) {
        return (parse_base_url(url, protocol), variable);
    }
    let missing = || format!("every customer has an address of their own: set it, or the variable {variable}");
    let url = preset.base_url.ok_or_else(missing).and_then(|url| parse_base_url(url, protocol));
    (url, setting.to_owned())
}
