//! What a model's own server says of its window: it decides how much it takes, whatever the model could.
//!
//! Servers that tell: those that list it with their models (vLLM, OpenRouter), llama.cpp (`/props`: of one slot), Ollama (`/api/ps` where the
//! model is loaded; else what `/api/show` says that it will be loaded with) and LM Studio (`/api/v0/models`). Ollama has to be asked: a
//! request above its window loses its beginning without a word.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::account::Account;
use crate::catalogue;
use crate::http::{Endpoint, read_at_most};
use crate::key::ApiKey;
use crate::remote::below;

/// For all questions about one model together. A server that takes longer is not waited for.
const LIMIT: Duration = Duration::from_millis(1_500);

/// How long an answer holds; a server may be started again with another window.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// The same of an answer that may change with the first request: the model was not loaded.
const UNSETTLED_FOR: Duration = Duration::from_secs(5);

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Models whose answers are kept; with more, all are asked for anew.
const MAX_KEPT: usize = 256;

/// What Ollama loads a model with unless it is told otherwise, on a machine with little memory for it. With more it is more: once the
/// model is loaded, `/api/ps` says it.
const OLLAMA_DEFAULT: u64 = 4_096;

/// Windows that are believed, in tokens.
const WINDOWS: std::ops::RangeInclusive<u64> = 256..=100_000_000;

/// What servers have said so far.
#[derive(Default)]
pub(super) struct Windows {
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    until: Instant,
    tokens: Option<u64>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    tokens: u64,
    is_settled: bool,
}

impl Windows {
    /// What is known of a model by its id, without asking.
    pub(super) fn known(&self, id: &str) -> Option<u64> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(id).and_then(|kept| kept.tokens)
    }

    /// What the provider says of its model `name`; asked again only once the last answer is old.
    pub(super) async fn ask(&self, id: &str, account: &Account, name: &str) -> Option<u64> {
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = kept.get(id).filter(|kept| kept.until > Instant::now()) {
                return kept.tokens;
            }
        }
        let told = async {
            let base_url = account.base_url.as_ref().ok()?;
            // Only what is at hand: asked for its window, a provider has its key already, or wants none.
            let key = account.key(None).await.ok()?;
            Server { account, base_url, key: key.as_ref() }.told(name).await
        };
        let told = timeout(LIMIT, told).await.unwrap_or(None);
        let holds = if told.is_some_and(|told| !told.is_settled) { UNSETTLED_FOR } else { FRESH_FOR };
        let tokens = told.map(|told| told.tokens);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(id.to_owned(), Kept { until: Instant::now() + holds, tokens });
        tokens
    }
}

/// A model server that can be asked.
#[derive(Clone, Copy)]
struct Server<'a> {
    account: &'a Account,
    base_url: &'a Url,
    key: Option<&'a ApiKey>,
}

impl Server<'_> {
    async fn told(self, name: &str) -> Option<Told> {
        // Servers on one's own machines; what is behind TLS is asked for its list alone.
        let is_near = self.base_url.scheme() == "http";
        let near = async {
            match is_near {
                true => tokio::join!(self.slot(), self.ollama(name), self.studio(name)),
                false => (None, None, None),
            }
        };
        let (listed, (slot, ollama, studio)) = tokio::join!(self.listed(name, is_near), near);
        let settled = |tokens| Told { tokens, is_settled: true };
        // What says how it was started says more than a list.
        let told = slot.map(settled).or(ollama).or(studio.map(settled)).or(listed.map(settled));
        told.filter(|told| WINDOWS.contains(&told.tokens))
    }

    async fn listed(self, name: &str, is_near: bool) -> Option<u64> {
        // A long way for what is known: a new session's first words would wait for it.
        let listed = match is_near || catalogue::window(name).is_none() {
            true => self.account.list().await,
            false => self.account.last_list()?,
        };
        listed.outcome.ok()?.model(name)?.context_tokens
    }

    /// llama.cpp, of each of its slots.
    async fn slot(self) -> Option<u64> {
        let props: Props = self.get(&["props"]).await?;
        props.default_generation_settings?.n_ctx
    }

    async fn ollama(self, name: &str) -> Option<Told> {
        let _: OllamaVersion = self.get(&["api", "version"]).await?;
        let (running, shown) =
            tokio::join!(self.get::<OllamaRunning>(&["api", "ps"]), self.post::<OllamaShown>(&["api", "show"], name));
        let latest = format!("{name}:latest");
        let is_it = |model: &&OllamaModel| [&model.name, &model.model].iter().any(|is| **is == name || **is == latest);
        let loaded = running.as_ref().and_then(|running| running.models.iter().find(is_it)?.context_length);
        if let Some(tokens) = loaded {
            return Some(Told { tokens, is_settled: true });
        }
        let shown = shown?;
        let most = shown.trained();
        let tokens = shown.num_ctx().unwrap_or(OLLAMA_DEFAULT).min(most.unwrap_or(u64::MAX));
        Some(Told { tokens, is_settled: false })
    }

    async fn studio(self, name: &str) -> Option<u64> {
        let list: StudioList = self.get(&["api", "v0", "models"]).await?;
        list.data.into_iter().find(|model| model.id == name)?.loaded_context_length
    }

    async fn get<T: DeserializeOwned>(self, path: &[&str]) -> Option<T> {
        let response = self.account.transport.get(&self.endpoint(path)?, LIMIT).await.ok()?;
        read(response).await
    }

    async fn post<T: DeserializeOwned>(self, path: &[&str], name: &str) -> Option<T> {
        let body = Bytes::from(json!({ "model": name }).to_string());
        let response = self.account.transport.post(&self.endpoint(path)?, body, LIMIT).await.ok()?;
        read(response).await
    }

    /// Beside the API that speaks OpenAI's dialect, which most servers have below `/v1`.
    fn endpoint(self, path: &[&str]) -> Option<Endpoint> {
        let mut root = self.base_url.clone();
        if let Ok(mut segments) = root.path_segments_mut() {
            segments.pop_if_empty();
        }
        if root.path().ends_with("/v1")
            && let Ok(mut segments) = root.path_segments_mut()
        {
            segments.pop();
        }
        let headers = self.account.headers(self.key).ok()?;
        Some(Endpoint::new(below(&root, path), headers))
    }
}

async fn read<T: DeserializeOwned>(response: reqwest::Response) -> Option<T> {
    if !response.status().is_success() {
        return None;
    }
    serde_json::from_slice(&read_at_most(response, MAX_ANSWER_BYTES, LIMIT).await).ok()
}

#[derive(Deserialize)]
struct Props {
    default_generation_settings: Option<Slot>,
}

#[derive(Deserialize)]
struct Slot {
    n_ctx: Option<u64>,
}

#[derive(Deserialize)]
struct OllamaVersion {
    #[serde(rename = "version")]
    _version: String,
}

#[derive(Deserialize)]
struct OllamaRunning {
    #[serde(default)]
    models: Vec<OllamaModel>,
}

#[derive(Deserialize)]
struct OllamaModel {
    #[serde(default)]
    name: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    context_length: Option<u64>,
}

#[derive(Deserialize)]
struct OllamaShown {
    /// Lines of a Modelfile: `num_ctx 8192`.
    #[serde(default)]
    parameters: String,
    /// `ARCHITECTURE.context_length` among others.
    #[serde(default)]
    model_info: HashMap<String, serde_json::Value>,
}

impl OllamaShown {
    fn num_ctx(&self) -> Option<u64> {
        let mut lines = self.parameters.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.find_map(|words| match words.as_slice() {
            ["num_ctx", tokens] => tokens.parse().ok(),
            _ => None,
        })
    }

    fn trained(&self) -> Option<u64> {
        let of = |(name, value): (&String, &serde_json::Value)| {
            name.ends_with(".context_length").then(|| value.as_u64()).flatten()
        };
        self.model_info.iter().find_map(of)
    }
}

#[derive(Deserialize)]
struct StudioList {
    #[serde(default)]
    data: Vec<StudioModel>,
}

#[derive(Deserialize)]
struct StudioModel {
    id: String,
    #[serde(default)]
    loaded_context_length: Option<u64>,
}

#[cfg(test)]
mod tests;
