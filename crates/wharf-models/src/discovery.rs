//! Which models there are: what was set, what the environment has keys for, what runs on this machine, and the demo.
//!
//! Nothing is looked for before somebody asks, so that a server starts at once.

mod config;
mod context;
mod probe;
mod providers;
mod window;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use wharf_protocol::model::{ModelInfo, Protocol, Provider};
use wharf_protocol::rest::ModelList;

use config::{Explicit, hosted_base_url};
pub use config::{LocalServer, ModelsConfig};
use probe::{Found, Probes};
use providers::{HOSTED, Hosted};
use window::{Server, Windows};

use crate::anthropic::Anthropic;
use crate::demo::DemoModel;
use crate::gemini::Gemini;
use crate::http::Transport;
use crate::key::ApiKey;
use crate::openai_chat::OpenAiChat;
use crate::remote::{InvalidKey, Settings};
use crate::responses::Responses;
use crate::{Model, ModelSource};

/// Model objects that are kept. One that was dropped is made again; only what it had learned of its server is lost.
const MAX_KEPT_MODELS: usize = 64;

/// Most names in an error or a listing.
const MAX_NAMES: usize = 20;

/// What a session gets that names no model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultModel {
    /// `provider/name`
    pub id: String,
    /// Why that one, for the user.
    pub reason: String,
}

/// Why a name gives no model. The messages say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no model {asked:?}; there are: {}. Name one as provider/name, or set a base URL", .known.join(", "))]
    Unknown { asked: String, known: Vec<String> },
    #[error("{provider} needs a key: set {variable}")]
    NoKey { provider: String, variable: String },
    #[error("{provider} cannot be used: {reason}")]
    NotRunning { provider: String, reason: String },
    #[error("{provider} has no model {name:?}; it has: {}", .known.join(", "))]
    NoSuchModel { provider: String, name: String, known: Vec<String> },
    #[error("{0}")]
    Misconfigured(String),
}

/// The models that can be used, found when first asked for.
pub struct Models {
    config: ModelsConfig,
    explicit: Result<Option<Explicit>, ResolveError>,
    transport: Arc<Transport>,
    probes: Probes,
    windows: Windows,
    kept: Mutex<VecDeque<Arc<dyn Model>>>,
    demo: Arc<DemoModel>,
}

/// What is needed to make a model object.
struct Place {
    protocol: Protocol,
    base_url: Url,
    key: Option<ApiKey>,
    context_tokens: Option<u64>,
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Models {
    /// Takes the configuration; connects to nothing and reads nothing.
    #[must_use]
    pub fn discover(config: ModelsConfig) -> Self {
        let transport = Arc::new(Transport::new(config.environment.clone()));
        Self {
            explicit: Explicit::of(&config),
            probes: Probes::new(config.servers(), Arc::clone(&transport)),
            windows: Windows::default(),
            transport,
            config,
            kept: Mutex::default(),
            demo: Arc::new(DemoModel),
        }
    }

    /// The model of that id: `provider/name`, a provider alone, or a name that one local server has.
    pub async fn resolve(&self, id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        let explicit = self.explicit.as_ref().map_err(Clone::clone)?;
        match id.map(str::trim).filter(|id| !id.is_empty()) {
            Some(id) => self.named(id, explicit.as_ref()).await,
            None => {
                let default = self.default_model().await?;
                self.named(&default.id, explicit.as_ref()).await
            }
        }
    }

    /// What was set; else the first provider with a key; else the first local server with a model; else the demo.
    pub async fn default_model(&self) -> Result<DefaultModel, ResolveError> {
        if let Some(explicit) = self.explicit.as_ref().map_err(Clone::clone)? {
            return self.explicit_default(explicit).await;
        }
        for hosted in HOSTED {
            if self.config.variable(hosted.key_variable).is_some() {
                let reason = format!("{} is set", hosted.key_variable);
                return Ok(DefaultModel { id: hosted.default_id(), reason });
            }
        }
        for probe in self.probes.all().await.iter() {
            if let Ok(found) = &probe.outcome
                && let Some(model) = found.first_chat_model()
            {
                let reason = format!("no key is set, and {} runs on this machine", probe.server.name);
                return Ok(DefaultModel { id: format!("{}/{}", probe.server.name, model.name), reason });
            }
        }
        Ok(DefaultModel {
            id: self.demo.id().to_owned(),
            reason: "no key is set and no local model server was found".to_owned(),
        })
    }

    /// Every provider that was considered, in the order in which they are.
    pub async fn list(&self) -> ModelList {
        let (default, reason) = match self.default_model().await {
            Ok(default) => (default.id, default.reason),
            Err(error) => (String::new(), error.to_string()),
        };
        let providers = self.rows(&default).await;
        ModelList { default, reason, providers }
    }

    async fn rows(&self, default: &str) -> Vec<Provider> {
        let mut providers = Vec::new();
        if let Ok(Some(explicit)) = &self.explicit
            && let Some(base_url) = &explicit.base_url
        {
            providers.push(self.explicit_row(explicit, base_url, default).await);
        }
        let set = providers.first().map(|provider| provider.name.clone());
        // A server that was set stands in for the provider whose name it was given.
        let others = |name: &str| set.as_deref() != Some(name);
        providers
            .extend(HOSTED.iter().filter(|hosted| others(hosted.name)).map(|hosted| self.hosted_row(hosted, default)));
        let probes = self.probes.all().await;
        providers.extend(probes.iter().filter(|probe| others(&probe.server.name)).map(|probe| probe.row(default)));
        let demo = ModelInfo {
            id: self.demo.id().to_owned(),
            is_default: default == self.demo.id(),
            context_tokens: self.demo.context_tokens(),
        };
        providers.push(Provider {
            name: "demo".to_owned(),
            base_url: None,
            available: true,
            reason: "built in; not a language model".to_owned(),
            models: vec![demo],
        });
        providers
    }

    async fn named(&self, id: &str, explicit: Option<&Explicit>) -> Result<Arc<dyn Model>, ResolveError> {
        let (provider, name) = match id.split_once('/') {
            Some((provider, name)) if !name.is_empty() => (provider, Some(name)),
            _ => (id.trim_end_matches('/'), None),
        };
        if let Some(explicit) = explicit
            && let Some(base_url) = &explicit.base_url
            && explicit.provider == provider
        {
            let name = match name.or(explicit.name.as_deref()) {
                Some(name) => name.to_owned(),
                None => self.first_of(explicit, base_url).await?,
            };
            return self.model(provider, &name, || Place {
                protocol: explicit.protocol.unwrap_or_default(),
                base_url: base_url.clone(),
                key: explicit.key.clone(),
                context_tokens: None,
            });
        }
        if provider == "demo" {
            return match name {
                None | Some(DemoModel::NAME) => Ok(Arc::clone(&self.demo) as Arc<dyn Model>),
                Some(name) => Err(ResolveError::NoSuchModel {
                    provider: provider.to_owned(),
                    name: name.to_owned(),
                    known: vec![self.demo.id().to_owned()],
                }),
            };
        }
        if let Some(hosted) = HOSTED.iter().find(|hosted| hosted.name == provider) {
            return self.hosted(hosted, name.unwrap_or(hosted.default_model));
        }
        if self.probes.knows(provider) {
            return self.local(provider, name).await;
        }
        self.by_bare_name(id).await
    }

    fn hosted(&self, hosted: &Hosted, name: &str) -> Result<Arc<dyn Model>, ResolveError> {
        let key = self.hosted_key(hosted).ok_or_else(|| ResolveError::NoKey {
            provider: hosted.name.to_owned(),
            variable: hosted.key_variable.to_owned(),
        })?;
        let protocol = self.hosted_protocol(hosted);
        let base_url = hosted_base_url(hosted, protocol, &self.config)?;
        self.model(hosted.name, name, || Place { protocol, base_url, key: Some(key), context_tokens: None })
    }

    /// What was set for a provider that is known by name.
    fn set_for(&self, hosted: &Hosted) -> Option<&Explicit> {
        let set = self.explicit.as_ref().ok().and_then(Option::as_ref);
        set.filter(|explicit| explicit.base_url.is_none() && explicit.provider == hosted.name)
    }

    /// What was set; at the provider's own place what it speaks there. A server that stands in for OpenAI speaks chat completions:
    /// few others know Responses.
    fn hosted_protocol(&self, hosted: &Hosted) -> Protocol {
        let set = self.set_for(hosted).and_then(|explicit| explicit.protocol);
        let stands_in = hosted_base_url(hosted, hosted.protocol, &self.config)
            .is_ok_and(|url| !hosted.base_url.contains(url.host_str().unwrap_or_default()));
        match hosted.protocol {
            Protocol::Responses if stands_in => set.unwrap_or(Protocol::Openai),
            protocol => set.unwrap_or(protocol),
        }
    }

    fn hosted_key(&self, hosted: &Hosted) -> Option<ApiKey> {
        self.set_for(hosted)
            .and_then(|explicit| explicit.key.clone())
            .or_else(|| self.config.variable(hosted.key_variable).map(ApiKey::new))
    }

    async fn local(&self, provider: &str, name: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        let probes = self.probes.all().await;
        let Some(probe) = probes.iter().find(|probe| probe.server.name == provider) else {
            return Err(self.unknown(provider).await);
        };
        let found = probe
            .outcome
            .as_ref()
            .map_err(|reason| ResolveError::NotRunning { provider: provider.to_owned(), reason: reason.clone() })?;
        let model = match name {
            Some(name) => found.model(name).ok_or_else(|| ResolveError::NoSuchModel {
                provider: provider.to_owned(),
                name: name.to_owned(),
                known: found.names(MAX_NAMES),
            })?,
            None => found.first_chat_model().ok_or_else(|| ResolveError::NotRunning {
                provider: provider.to_owned(),
                reason: "it has no model".to_owned(),
            })?,
        };
        self.model(provider, &model.name, || Place {
            protocol: Protocol::Openai,
            base_url: found.base_url.clone(),
            key: None,
            context_tokens: model.context_tokens,
        })
    }

    /// A name without a provider, where exactly one local server has it.
    async fn by_bare_name(&self, name: &str) -> Result<Arc<dyn Model>, ResolveError> {
        let probes = self.probes.all().await;
        let mut having = probes.iter().filter_map(|probe| {
            let found = probe.outcome.as_ref().ok()?;
            Some((&probe.server.name, found, found.model(name)?))
        });
        match (having.next(), having.next()) {
            (Some((provider, found, model)), None) => self.model(provider, &model.name, || Place {
                protocol: Protocol::Openai,
                base_url: found.base_url.clone(),
                key: None,
                context_tokens: model.context_tokens,
            }),
            _ => Err(self.unknown(name).await),
        }
    }

    async fn unknown(&self, asked: &str) -> ResolveError {
        let usable = self.rows("").await.into_iter().filter(|provider| provider.available);
        let known = usable.flat_map(|provider| provider.models).map(|model| model.id).take(MAX_NAMES).collect();
        ResolveError::Unknown { asked: asked.to_owned(), known }
    }

    async fn explicit_default(&self, explicit: &Explicit) -> Result<DefaultModel, ResolveError> {
        let id = match (&explicit.name, &explicit.base_url) {
            (Some(name), _) => format!("{}/{name}", explicit.provider),
            (None, Some(base_url)) => format!("{}/{}", explicit.provider, self.first_of(explicit, base_url).await?),
            (None, None) => self.named(&explicit.provider, Some(explicit)).await?.id().to_owned(),
        };
        Ok(DefaultModel { id, reason: "set in the configuration".to_owned() })
    }

    async fn first_of(&self, explicit: &Explicit, base_url: &Url) -> Result<String, ResolveError> {
        let unusable = |reason| ResolveError::NotRunning { provider: explicit.provider.clone(), reason };
        let found = self.probes.explicit(explicit, base_url).await.map_err(unusable)?;
        let first = found.first_chat_model().map(|model| model.name.clone());
        first.ok_or_else(|| unusable("it lists no model; name one as provider/name".to_owned()))
    }

    /// Asks the model's server, unless it is a provider on the network.
    async fn ask_for_window(&self, id: &str, provider: &str, name: &str) {
        let set = self.explicit.as_ref().ok().and_then(Option::as_ref).filter(|set| set.provider == provider);
        let server = |base_url, set| Server { transport: &self.transport, probes: &self.probes, base_url, set };
        if let Some(base_url) = set.and_then(|set| set.base_url.as_ref()) {
            self.windows.ask(id, server(base_url, set), name).await;
        } else if self.probes.knows(provider) {
            let probes = self.probes.all().await;
            let found = probes.iter().find(|probe| probe.server.name == provider);
            if let Some(Ok(found)) = found.map(|probe| &probe.outcome) {
                self.windows.ask(id, server(&found.base_url, None), name).await;
            }
        }
    }

    fn model(&self, provider: &str, name: &str, place: impl FnOnce() -> Place) -> Result<Arc<dyn Model>, ResolveError> {
        let id = format!("{provider}/{name}");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = kept.iter().find(|model| model.id() == id) {
            return Ok(Arc::clone(model));
        }
        let Place { protocol, base_url, key, context_tokens } = place();
        let settings = Settings {
            provider: provider.to_owned(),
            name: name.to_owned(),
            base_url,
            key,
            context_tokens: self.config.context_tokens.or(context_tokens).or_else(|| context::of(name)),
            idle: Duration::from_millis(self.config.model_idle_ms),
        };
        let transport = Arc::clone(&self.transport);
        let made: Result<Arc<dyn Model>, InvalidKey> = match protocol {
            Protocol::Openai => OpenAiChat::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
            Protocol::Responses => Responses::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
            Protocol::Gemini => Gemini::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
            Protocol::Anthropic => Anthropic::new(settings, transport).map(|model| Arc::new(model) as Arc<dyn Model>),
        };
        let model = made.map_err(|InvalidKey| {
            ResolveError::Misconfigured(format!("the key for {provider} holds characters that no header can"))
        })?;
        if kept.len() == MAX_KEPT_MODELS {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&model));
        Ok(model)
    }

    async fn explicit_row(&self, explicit: &Explicit, base_url: &Url, default: &str) -> Provider {
        let known: Result<Found, String> = match &explicit.name {
            None => self.probes.explicit(explicit, base_url).await,
            Some(name) => Ok(Found::stated(base_url.clone(), name.clone(), self.config.context_tokens)),
        };
        let (available, reason, models) = match known {
            Ok(found) => (true, "set in the configuration".to_owned(), found.infos(&explicit.provider, default)),
            Err(reason) => (false, reason, Vec::new()),
        };
        let base_url = Some(config::without_secrets(base_url));
        Provider { name: explicit.provider.clone(), base_url, available, reason, models }
    }

    fn hosted_row(&self, hosted: &Hosted, default: &str) -> Provider {
        let base_url = hosted_base_url(hosted, self.hosted_protocol(hosted), &self.config);
        let (available, reason) = match (&base_url, self.hosted_key(hosted)) {
            (Err(error), _) => (false, error.to_string()),
            (Ok(_), None) => (false, format!("{} is not set", hosted.key_variable)),
            (Ok(_), Some(_)) if self.config.variable(hosted.key_variable).is_none() => {
                (true, "its key is set in the configuration".to_owned())
            }
            (Ok(_), Some(_)) => (true, format!("{} is set", hosted.key_variable)),
        };
        let mut models = Vec::new();
        if available {
            let id = hosted.default_id();
            let of_default = default.split_once('/').filter(|(provider, _)| *provider == hosted.name);
            if of_default.is_some() && default != id {
                models.push(info(default, default, self.config.context_tokens));
            }
            models.push(info(&id, default, self.config.context_tokens));
        }
        let base_url = base_url.ok().map(|url| config::without_secrets(&url));
        Provider { name: hosted.name.to_owned(), base_url, available, reason, models }
    }
}

fn info(id: &str, default: &str, context_tokens: Option<u64>) -> ModelInfo {
    let name = id.split_once('/').map_or(id, |(_, name)| name);
    ModelInfo {
        id: id.to_owned(),
        is_default: id == default,
        context_tokens: context_tokens.or_else(|| context::of(name)),
    }
}

#[async_trait]
impl ModelSource for Models {
    async fn resolve(&self, id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        Models::resolve(self, id).await
    }

    fn context_tokens(&self, id: &str) -> Option<u64> {
        if id == self.demo.id() {
            return self.demo.context_tokens();
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.iter().find(|model| model.id() == id).and_then(|model| model.context_tokens());
        self.config.context_tokens.or_else(|| self.windows.known(id)).or(kept).or_else(|| context::of(id))
    }

    async fn window(&self, id: &str) -> Option<u64> {
        let Some((provider, name)) = id.split_once('/') else { return self.context_tokens(id) };
        if self.config.context_tokens.is_none() && id != self.demo.id() {
            self.ask_for_window(id, provider, name).await;
        }
        self.context_tokens(id)
    }

    async fn list(&self) -> ModelList {
        Models::list(self).await
    }
}

#[cfg(test)]
mod tests;
