//! `[providers.NAME]`: model providers, by names of the user's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wharf_foreign::file;
use wharf_models::{Authorities, BadProfile, KeySource, ModelSettings, Profile, ProxyChoice, presets};
use wharf_protocol::Price;
use wharf_protocol::cost::PriceSource;
use wharf_protocol::model::Protocol;

use crate::keys::{CommandKey, FileKey, VariableKey, at_home};

/// Largest file of authorities, in bytes; the usual collection of all of them takes a quarter of a megabyte.
const CA_MAX_BYTES: u64 = 4 << 20;

/// One provider. A known name (`openai`, `ollama`, ...), or `preset`, brings what is not set.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSection {
    /// The known provider that this is one of. Absent: the one of the section's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// What its server speaks: `openai` (chat completions), `responses`, `anthropic` or `gemini`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Name of the environment variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A file that holds the key and that nobody else can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// A program that prints the key, and its arguments: `["pass", "show", "openai"]`. No shell reads it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_key_command: Vec<String>,
    /// Sent with each request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A proxy for this provider, or `none`, in place of what the environment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Certificates (PEM) of authorities that are trusted besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Its model where only the provider is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Context of its models, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Longest time for a connection to come about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    /// Longest time in which nothing of a reply comes, in place of `limits.model_idle_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// How often one model call is tried, in place of `turns.model_attempts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// What is known of single models, by their names at the provider.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelSection>,
}

/// One model of a provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSection {
    /// Its context, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Most tokens of one reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Whether it can be shown images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<bool>,
    /// What it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceSection>,
}

/// A model's price, in US dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSection {
    pub input: f64,
    pub output: f64,
    /// Tokens that were read from the provider's cache. Absent: the cost of a call that has some is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Tokens that were written to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
}

/// Names only: headers and addresses may hold secrets.
impl std::fmt::Debug for ProviderSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSection").field("preset", &self.preset).finish_non_exhaustive()
    }
}

/// The profiles as models are looked for with them. Files of keys are read, and programs run, when a model is used.
pub fn profiles(
    sections: &BTreeMap<String, ProviderSection>,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Profile>, BadProfile> {
    let secrets = secret_variables(sections);
    let profile = |(name, section): (&String, _)| Ok((name.clone(), profile(name, section, environment, &secrets)?));
    sections.iter().map(profile).collect()
}

/// Variables that hold keys. A program that prints one key is not given the others: what it was started with can be read by every process
/// of the same user, commands of agents among them.
fn secret_variables(sections: &BTreeMap<String, ProviderSection>) -> Vec<String> {
    let usual = presets().iter().filter_map(|preset| preset.key_variable).chain(["WHARF_KEY"]).map(str::to_owned);
    usual.chain(sections.values().filter_map(|section| section.api_key_env.clone())).collect()
}

fn profile(
    name: &str,
    section: &ProviderSection,
    environment: &BTreeMap<String, String>,
    secrets: &[String],
) -> Result<Profile, BadProfile> {
    let model = |model: &ModelSection| -> Result<_, &'static str> {
        Ok(ModelSettings {
            context_tokens: model.context_tokens,
            output_tokens: model.output_tokens,
            images: model.images,
            price: model.price.as_ref().map(price).transpose()?,
        })
    };
    let models: Result<_, &'static str> =
        section.models.iter().map(|(name, section)| Ok((name.clone(), model(section)?))).collect();
    let bad_price =
        |reason: &str| BadProfile { name: name.to_owned(), field: Some("models"), reason: reason.to_owned() };
    let profile = Profile {
        preset: section.preset.clone(),
        protocol: section.protocol,
        base_url: section.base_url.clone(),
        key: key(name, section, environment, secrets)?,
        headers: section.headers.clone(),
        proxy: section.proxy.as_deref().map(ProxyChoice::of),
        authorities: section.ca_file.as_deref().map(|path| authorities(name, &at_home(path, environment))),
        model: section.model.clone(),
        context_tokens: section.context_tokens,
        connect_ms: section.connect_ms,
        idle_ms: section.idle_ms,
        attempts: section.attempts,
        models: models.map_err(bad_price)?,
    };
    profile.check(name)?;
    Ok(profile)
}

fn price(section: &PriceSection) -> Result<Price, &'static str> {
    const WRONG: &str = "a price is in US dollars per million tokens: 0 to 1000000";
    let millionths = |dollars: f64| match (0.0..=1e6).contains(&dollars) {
        true => Ok((dollars * 1e6).round() as u64),
        false => Err(WRONG),
    };
    Ok(Price {
        input: millionths(section.input)?,
        output: millionths(section.output)?,
        cache_read: section.cache_read.map(millionths).transpose()?,
        cache_write: section.cache_write.map(millionths).transpose()?,
        above: None,
        varies: false,
        source: PriceSource::Configuration,
    })
}

fn key(
    name: &str,
    section: &ProviderSection,
    environment: &BTreeMap<String, String>,
    secrets: &[String],
) -> Result<Option<Arc<dyn KeySource>>, BadProfile> {
    let bad = |field, reason: &str| BadProfile { name: name.to_owned(), field: Some(field), reason: reason.to_owned() };
    let setting = |field: &str| format!("providers.{name}.{field}");
    let command = (!section.api_key_command.is_empty()).then_some(&section.api_key_command);
    Ok(match (&section.api_key_env, &section.api_key_file, command) {
        (None, None, None) => None,
        (Some(variable), None, None) => {
            Some(Arc::new(VariableKey::new(setting("api_key_env"), variable.clone(), environment)))
        }
        (None, Some(path), None) => {
            let path = at_home(path, environment);
            if !path.is_absolute() {
                return Err(bad(
                    "api_key_file",
                    "has to be absolute, or to begin with ~/: nobody knows where a server is started",
                ));
            }
            Some(Arc::new(FileKey::new(setting("api_key_file"), path)))
        }
        (None, None, Some(command)) => {
            let mut environment = environment.clone();
            environment.retain(|name, _| !secrets.contains(name));
            let command = CommandKey::new(setting("api_key_command"), command, environment);
            Some(Arc::new(command.map_err(|reason| bad("api_key_command", reason))?))
        }
        _ => {
            return Err(bad(
                "api_key_env",
                "there is one key: api_key_env, api_key_file and api_key_command exclude each other",
            ));
        }
    })
}

fn authorities(name: &str, path: &Path) -> Authorities {
    let read = file::open(path).and_then(|file| file::read(&file, CA_MAX_BYTES));
    let setting = format!("providers.{name}.ca_file");
    Authorities { pem: read.map_err(|error| format!("{}: {error}", path.display())), setting }
}
