//! What the user says of a provider, and where its key comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use wharf_protocol::Price;
use wharf_protocol::model::Protocol;

use super::config::parse_base_url;
use super::presets::preset;
use crate::demo::DemoModel;
use crate::http::{Authorities, ProxyChoice};
use crate::key::ApiKey;

/// Most profiles of one configuration. Their lists of models are asked for together.
pub const PROFILES_MAX: usize = 64;

/// Longest name of a profile: it is part of each model's id, which stands on the log.
const NAME_MAX_BYTES: usize = 64;

/// Where a key comes from. It is asked when a model of the provider is first needed, and once more when the provider has refused the key:
/// it may have been changed meanwhile.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The key, or why there is none and what to do: `set WORK_KEY`.
    async fn key(&self) -> Result<ApiKey, String>;

    /// Whether `key` can be expected to succeed, as far as that is seen without running anything.
    fn look(&self) -> Result<(), String>;

    /// What the user changes to change the key: a variable, a file, a key of the configuration.
    fn setting(&self) -> String;
}

/// `[providers.NAME]`. What is absent is the preset's.
#[derive(Clone, Default)]
pub struct Profile {
    /// The provider that is known by name and that this is one of; absent: the one of the profile's own name, if there is one.
    pub preset: Option<String>,
    pub protocol: Option<Protocol>,
    pub base_url: Option<String>,
    /// Absent: the preset's variable, where the preset has one; else requests go without a key.
    pub key: Option<Arc<dyn KeySource>>,
    /// With each request, over the preset's.
    pub headers: BTreeMap<String, String>,
    /// Absent: as the environment says.
    pub proxy: Option<ProxyChoice>,
    /// Further authorities whose certificates are taken.
    pub authorities: Option<Authorities>,
    /// Where only the provider is named.
    pub model: Option<String>,
    /// Of all its models.
    pub context_tokens: Option<u64>,
    /// Longest time for a connection to come about, in milliseconds.
    pub connect_ms: Option<u64>,
    /// Longest time without anything of a reply, in milliseconds.
    pub idle_ms: Option<u64>,
    /// How often one model call is tried.
    pub attempts: Option<u32>,
    /// What is said of single models, by their names at the provider.
    pub models: BTreeMap<String, ModelSettings>,
}

/// `[providers.NAME.models."MODEL"]`. It wins over what the server reports and what is generally known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelSettings {
    pub context_tokens: Option<u64>,
    /// Most that a reply may hold.
    pub output_tokens: Option<u64>,
    /// Whether it can be shown images; with `false` it is told of them in words.
    pub images: Option<bool>,
    pub price: Option<Price>,
}

/// A profile that cannot be used as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("providers.{name}{}: {reason}", .field.map(|field| format!(".{field}")).unwrap_or_default())]
pub struct BadProfile {
    pub name: String,
    /// The key below `providers.NAME`; absent: the profile as a whole.
    pub field: Option<&'static str>,
    pub reason: String,
}

impl fmt::Debug for Profile {
    /// Headers and addresses may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("preset", &self.preset)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// Whether everything in it can be used. Connects to nothing and asks for no key.
    pub fn check(&self, name: &str) -> Result<(), BadProfile> {
        let bad = |field: Option<&'static str>, reason: String| BadProfile { name: name.to_owned(), field, reason };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.chars().all(is_plain) {
            let reason = format!("a name is of letters, digits, `-`, `_` and `.`, {NAME_MAX_BYTES} at most");
            return Err(bad(None, reason));
        }
        if DemoModel::is_called(name) {
            return Err(bad(None, "this is the name of the built-in model: choose another".to_owned()));
        }
        if let Some(wanted) = &self.preset
            && preset(wanted).is_none()
        {
            let known: Vec<&str> = super::presets::PRESETS.iter().map(|preset| preset.name).collect();
            return Err(bad(Some("preset"), format!("{wanted:?} is not known: there are {}", known.join(", "))));
        }
        let preset = preset(self.preset.as_deref().unwrap_or(name));
        let protocol = self.protocol.or(preset.map(|preset| preset.protocol)).unwrap_or_default();
        match &self.base_url {
            Some(url) => drop(parse_base_url(url, protocol).map_err(|reason| bad(Some("base_url"), reason))?),
            None if preset.is_none() => {
                let reason = "is needed: no provider is known by this name, so that nobody knows where its server is";
                return Err(bad(Some("base_url"), reason.to_owned()));
            }
            None => {}
        }
        headers(&self.headers).map_err(|reason| bad(Some("headers"), reason))?;
        if let Some(proxy) = &self.proxy {
            proxy.check().map_err(|reason| bad(Some("proxy"), reason))?;
        }
        for (field, number) in [("connect_ms", self.connect_ms), ("idle_ms", self.idle_ms)] {
            if number == Some(0) {
                return Err(bad(Some(field), "nothing can be done in no time".to_owned()));
            }
        }
        if self.attempts == Some(0) {
            return Err(bad(Some("attempts"), "at least 1: the first attempt counts".to_owned()));
        }
        Ok(())
    }
}

/// Headers as requests carry them; no log shows their values.
pub(super) fn headers(named: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        let wrong = || format!("{name:?} is no header, or its value holds characters that no header can");
        let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The usual variable of a provider's key.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Option<ApiKey>,
}

#[async_trait]
impl KeySource for Variable {
    async fn key(&self) -> Result<ApiKey, String> {
        self.value.clone().ok_or_else(|| format!("set {}", self.name))
    }

    fn look(&self) -> Result<(), String> {
        self.value.is_some().then_some(()).ok_or_else(|| format!("{} is not set", self.name))
    }

    fn setting(&self) -> String {
        self.name.clone()
    }
}
