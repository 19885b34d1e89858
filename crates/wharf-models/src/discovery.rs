//! Which models there are: what was set, what has a profile, what the environment has keys for, what runs on this machine, and the demo.
//!
//! Nothing is looked for before somebody asks, so that a server starts at once.

mod account;
mod advised;
mod config;
mod list;
mod presets;
mod profile;
mod window;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::timeout;
use wharf_protocol::model::{ModelInfo, ModelOrigin, Provider};
use wharf_protocol::rest::ModelList;

use account::{Account, Kind};
use advised::Advised;
use config::Set;
pub use config::{LocalServer, ModelsConfig};
use list::Listed;
pub use presets::{Place, Preset, preset, presets};
pub use profile::{BadProfile, KeySource, ModelSettings, PROFILES_MAX, Profile};
use window::Windows;

use crate::catalogue::{self, AS_OF};
use crate::demo::DemoModel;
use crate::http::{Network, Transport, place};
use crate::image::Images;
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
    #[error("{provider} needs a key: {reason}")]
    NoKey { provider: String, reason: String },
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
    set: Result<Option<Set>, ResolveError>,
    accounts: Vec<Arc<Account>>,
    windows: Windows,
    kept: Mutex<VecDeque<Arc<dyn Model>>>,
    /// Shared by all models, so that what it may take counts for all.
    fitting: Arc<Images>,
    demo: Arc<DemoModel>,
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
        let network = Network { environment: config.environment.clone(), ..Network::default() };
        let transport = Arc::new(Transport::new(network));
        let set = Set::of(&config);
        Self {
            accounts: Account::all(&config, set.as_ref().ok().and_then(Option::as_ref), &transport),
            set,
            windows: Windows::default(),
            config,
            kept: Mutex::default(),
            fitting: Arc::default(),
            demo: Arc::new(DemoModel),
        }
    }

    /// The profiles that cannot be used now, and why: a key that is not there. Runs nothing.
    #[must_use]
    pub fn unready(&self) -> Vec<(String, String)> {
        let profiles = self.accounts.iter().filter(|account| account.kind == Kind::Profile);
        profiles.filter_map(|account| Some((account.name.clone(), account.look().err()?))).collect()
    }

    /// The model of that id: `provider/name`, a provider alone, or a name that one local server has.
    pub async fn resolve(&self, id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        self.set.as_ref().map_err(Clone::clone)?;
        match id.map(str::trim).filter(|id| !id.is_empty()) {
            Some(id) => self.named(id).await,
            None => {
                let default = self.default_model().await?;
                self.named(&default.id).await
            }
        }
    }

    /// What was set; else the first profile; else the first provider with a key; else the first local server with a model; else the demo.
    pub async fn default_model(&self) -> Result<DefaultModel, ResolveError> {
        if let Some(set) = self.set.as_ref().map_err(Clone::clone)? {
            return self.set_default(set).await;
        }
        // A profile was written to be used; a variable may be there for another program.
        let ready = |account: &&Arc<Account>| account.kind == Kind::Profile && account.look().is_ok();
        for account in self.accounts.iter().filter(ready) {
            if let Ok(model) = self.model_of(account, None).await {
                let reason = format!("providers.{} is the first profile that can be used", account.name);
                return Ok(DefaultModel { id: format!("{}/{model}", account.name), reason });
            }
        }
        let keyed = |account: &&Arc<Account>| account.is_found_by_key() && account.look().is_ok();
        if let Some(account) = self.accounts.iter().find(keyed)
            && let Some(preset) = account.preset
        {
            let model = self.model_of(account, None).await?;
            let reason = format!("{} is set", preset.key_variable.unwrap_or_default());
            return Ok(DefaultModel { id: format!("{}/{model}", account.name), reason });
        }
        for (account, listed) in self.local().await {
            if let Ok(found) = &listed.outcome
                && let Some(model) = found.first_chat_model()
            {
                let reason = format!("no key is set, and {} runs on this machine", account.name);
                return Ok(DefaultModel { id: format!("{}/{}", account.name, model.name), reason });
            }
        }
        Ok(DefaultModel {
            id: self.demo.id().to_owned(),
            reason: "no key is set and no local model server was found".to_owned(),
        })
    }

    /// Every provider that was considered, in the order in which they are. A server that does not say within `wait` which models it has
    /// is shown without its list.
    pub async fn list(&self, wait: Duration) -> ModelList {
        let default = timeout(wait, self.default_model()).await;
        let (default, reason) = match default {
            Ok(Ok(default)) => (default.id, default.reason),
            Ok(Err(error)) => (String::new(), error.to_string()),
            Err(_) => (String::new(), "its server does not say which models it has".to_owned()),
        };
        let rows = self.accounts.iter().map(|account| async {
            // Without what it needs a provider is not asked.
            let listed = match account.look() {
                Ok(()) => timeout(wait, account.list()).await.ok().or_else(|| account.last_list()),
                Err(_) => None,
            };
            self.row(account, listed, &default)
        });
        let mut providers = join_all(rows).await;
        providers.push(self.demo_row(&default));
        ModelList { default, reason, catalogue_as_of: Some(AS_OF.to_owned()), providers }
    }

    /// One provider as `list` shows it, without asking any other.
    pub async fn one(&self, provider: &str, wait: Duration) -> Option<Provider> {
        let account = self.account(provider)?;
        let listed = match account.look() {
            Ok(()) => timeout(wait, account.list()).await.ok(),
            Err(_) => None,
        };
        Some(self.row(account, listed, ""))
    }

    async fn named(&self, id: &str) -> Result<Arc<dyn Model>, ResolveError> {
        let (provider, name) = match id.split_once('/') {
            Some((provider, name)) if !name.is_empty() => (provider, Some(name)),
            _ => (id.trim_end_matches('/'), None),
        };
        if provider == DemoModel::PROVIDER {
            return match name {
                None | Some(DemoModel::NAME) => Ok(Arc::clone(&self.demo) as Arc<dyn Model>),
                Some(name) => Err(ResolveError::NoSuchModel {
                    provider: provider.to_owned(),
                    name: name.to_owned(),
                    known: vec![self.demo.id().to_owned()],
                }),
            };
        }
        match self.account(provider) {
            Some(account) => {
                let name = self.model_of(account, name).await?;
                self.model(account, &name).await
            }
            None => self.by_bare_name(id).await,
        }
    }

    fn account(&self, provider: &str) -> Option<&Arc<Account>> {
        self.accounts.iter().find(|account| account.name == provider)
    }

    /// The provider's own name for a model: for the one that was asked for, or the one that it has where none was.
    async fn model_of(&self, account: &Account, name: Option<&str>) -> Result<String, ResolveError> {
        if account.kind == Kind::Local {
            return self.local_model(account, name).await;
        }
        if let Some(name) = name.or_else(|| account.usual_model()) {
            return Ok(name.to_owned());
        }
        account.url()?;
        let unusable = |reason| ResolveError::NotRunning { provider: account.name.clone(), reason };
        // A key that is missing says more than a list that could not be asked for.
        account.key(None).await?;
        let found = account.list().await.outcome.map_err(unusable)?;
        let first = found.first_chat_model().map(|model| model.name.clone());
        first.ok_or_else(|| unusable("it lists no model; name one as provider/name".to_owned()))
    }

    /// A server on this machine is believed: what it does not list it does not have.
    async fn local_model(&self, account: &Account, name: Option<&str>) -> Result<String, ResolveError> {
        let unusable = |reason: String| ResolveError::NotRunning { provider: account.name.clone(), reason };
        let found = account.list().await.outcome.map_err(unusable)?;
        let model = match name {
            Some(name) => found.model(name).ok_or_else(|| ResolveError::NoSuchModel {
                provider: account.name.clone(),
                name: name.to_owned(),
                known: found.models().iter().take(MAX_NAMES).map(|model| model.name.clone()).collect(),
            })?,
            None => found.first_chat_model().ok_or_else(|| unusable("it has no model".to_owned()))?,
        };
        Ok(model.name.clone())
    }

    /// The local servers, asked together.
    async fn local(&self) -> Vec<(&Arc<Account>, Listed)> {
        let local = self.accounts.iter().filter(|account| account.kind == Kind::Local);
        join_all(local.map(|account| async move { (account, account.list().await) })).await
    }

    /// A name without a provider, where exactly one local server has it.
    async fn by_bare_name(&self, name: &str) -> Result<Arc<dyn Model>, ResolveError> {
        let local = self.local().await;
        let mut having = local
            .iter()
            .filter_map(|(account, listed)| Some((*account, listed.outcome.as_ref().ok()?.model(name)?.name.clone())));
        match (having.next(), having.next()) {
            (Some((account, name)), None) => self.model(account, &name).await,
            _ => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, asked: &str) -> ResolveError {
        let usable = self.accounts.iter().filter(|account| account.look().is_ok());
        let rows = usable.map(|account| self.row(account, account.last_list(), "")).filter(|row| row.available);
        let models = rows.chain([self.demo_row("")]).flat_map(|row| row.models);
        let known = models.map(|model| model.id).take(MAX_NAMES).collect();
        ResolveError::Unknown { asked: asked.to_owned(), known }
    }

    async fn set_default(&self, set: &Set) -> Result<DefaultModel, ResolveError> {
        let id = match (&set.name, self.account(&set.provider)) {
            (Some(name), _) => format!("{}/{name}", set.provider),
            (None, Some(account)) => format!("{}/{}", set.provider, self.model_of(account, None).await?),
            (None, None) => self.named(&set.provider).await?.id().to_owned(),
        };
        Ok(DefaultModel { id, reason: "set in the configuration".to_owned() })
    }

    async fn model(&self, account: &Arc<Account>, name: &str) -> Result<Arc<dyn Model>, ResolveError> {
        let id = format!("{}/{name}", account.name);
        let find = |kept: &VecDeque<Arc<dyn Model>>| kept.iter().find(|model| model.id() == id).map(Arc::clone);
        if let Some(model) = find(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(model);
        }
        account.url()?;
        let key = account.key(None).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have made it while the key was asked for.
        if let Some(model) = find(&kept) {
            return Ok(model);
        }
        let model: Arc<dyn Model> = Arc::new(Advised::new(Arc::clone(account), name, key, &self.fitting)?);
        if kept.len() == MAX_KEPT_MODELS {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&model));
        Ok(model)
    }

    /// A provider as listings show it.
    fn row(&self, account: &Account, listed: Option<Listed>, default: &str) -> Provider {
        let base_url = account.base_url.as_ref().ok().map(config::without_secrets);
        let listed_at = listed.as_ref().filter(|listed| listed.outcome.is_ok()).map(|listed| listed.said_at);
        let row = |available, reason, models| Provider {
            name: account.name.clone(),
            base_url: base_url.clone(),
            available,
            reason,
            listed_at,
            models,
        };
        if let Err(reason) = account.look() {
            return row(false, reason, Vec::new());
        }
        let outcome = listed.map(|listed| listed.outcome);
        let here = account.base_url.as_ref().map(place).unwrap_or_default();
        if account.kind == Kind::Local {
            return match outcome {
                Some(Ok(found)) if found.models().is_empty() => {
                    row(false, "it runs, but has no model".to_owned(), Vec::new())
                }
                Some(Ok(_)) => row(true, format!("runs on {here}"), self.infos(account, outcome, default)),
                Some(Err(reason)) => row(false, reason, Vec::new()),
                None => row(false, format!("{here} did not answer in time"), Vec::new()),
            };
        }
        let is_named = account.model.is_some() || !account.models.is_empty();
        match &outcome {
            // Nobody but the list says which models there are.
            Some(Err(reason)) if account.kind != Kind::Known && !is_named && account.preset.is_none() => {
                row(false, reason.clone(), Vec::new())
            }
            _ => {
                let mut reason = match (account.kind, &account.key) {
                    (Kind::Set | Kind::Profile, _) | (_, None) => "set in the configuration".to_owned(),
                    (_, Some(key)) => format!("{} is set", key.setting()),
                };
                if let Some(Err(why)) = &outcome {
                    reason.push_str(&format!("; its list of models could not be read: {why}"));
                }
                row(true, reason, self.infos(account, outcome, default))
            }
        }
    }

    /// The models of a provider: those that were named, then those that it lists.
    fn infos(
        &self,
        account: &Account,
        outcome: Option<Result<Arc<list::Found>, String>>,
        default: &str,
    ) -> Vec<ModelInfo> {
        let found = outcome.and_then(Result::ok);
        let of_default = default.split_once('/').filter(|(provider, _)| *provider == account.name);
        let named = [of_default.map(|(_, name)| name), account.usual_model()].into_iter().flatten();
        let named =
            named.chain(account.models.keys().map(String::as_str)).map(|name| (name, ModelOrigin::Configuration));
        let listed = found.iter().flat_map(|found| found.models());
        let listed = listed.map(|model| (model.name.as_str(), ModelOrigin::Listed));
        // Where the server does not say, what is generally known of it.
        let is_known = account.preset.filter(|_| found.is_none() && account.kind != Kind::Local);
        let known = is_known.into_iter().flat_map(|preset| catalogue::of(preset.name));
        let known = known.filter(|entry| account.entry(entry.name).is_some());
        let known = known.map(|entry| (entry.name, ModelOrigin::Catalogue));
        let mut models: Vec<(&str, ModelOrigin)> = Vec::new();
        // Local servers are believed; what others list is not all that they have.
        let first: Vec<_> = if account.kind == Kind::Local { Vec::new() } else { named.collect() };
        for (name, origin) in first.into_iter().chain(listed).chain(known) {
            match models.iter_mut().find(|(there, _)| *there == name) {
                // It says more that its server lists it than that somebody wrote it down.
                Some((_, there)) if *there == ModelOrigin::Configuration => *there = origin,
                Some(_) => {}
                None => models.push((name, origin)),
            }
        }
        models.into_iter().map(|(name, origin)| info(account, name, origin, default)).collect()
    }

    fn demo_row(&self, default: &str) -> Provider {
        let demo = ModelInfo {
            id: self.demo.id().to_owned(),
            is_default: default == self.demo.id(),
            context_tokens: self.demo.context_tokens(),
            output_tokens: None,
            price: None,
            images: Some(false),
            documents: Some(false),
            thinking: Vec::new(),
            retires: None,
            origin: None,
        };
        Provider {
            name: DemoModel::PROVIDER.to_owned(),
            base_url: None,
            available: true,
            reason: "built in; not a language model".to_owned(),
            listed_at: None,
            models: vec![demo],
        }
    }
}

/// What is known of one model, from who knows it best: the user, its server, the catalogue.
fn info(account: &Account, name: &str, origin: ModelOrigin, default: &str) -> ModelInfo {
    let id = format!("{}/{name}", account.name);
    let (said, listed, entry) = (account.said(name), account.listed(name), account.entry(name));
    let listed_output = || listed.as_ref()?.output_tokens;
    let listed_images = || listed.as_ref()?.images;
    let words = |levels: &[&str]| levels.iter().map(|level| (*level).to_owned()).collect();
    ModelInfo {
        is_default: id == default,
        context_tokens: account.stated_window(name).or_else(|| account.known_window(name, None)),
        output_tokens: said.output_tokens.or_else(listed_output).or_else(|| entry?.max_output),
        price: account.price(name),
        images: said.images.or_else(listed_images).or_else(|| entry?.images),
        documents: entry.and_then(|entry| entry.documents),
        thinking: entry.map(|entry| words(entry.thinking)).unwrap_or_default(),
        retires: entry.and_then(|entry| entry.retires).map(str::to_owned),
        origin: Some(origin),
        id,
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
        let (provider, name) = id.split_once('/').unwrap_or(("", id));
        let told = self.windows.known(id);
        match self.account(provider) {
            Some(account) => account.window(name, told),
            None => self.config.context_tokens.or_else(|| catalogue::window(name)),
        }
    }

    async fn window(&self, id: &str) -> Option<u64> {
        if let Some((provider, name)) = id.split_once('/')
            && let Some(account) = self.account(provider)
            && account.stated_window(name).is_none()
        {
            self.windows.ask(id, account, name).await;
        }
        self.context_tokens(id)
    }

    async fn list(&self, wait: Duration) -> ModelList {
        Models::list(self, wait).await
    }
}

#[cfg(test)]
mod tests;
