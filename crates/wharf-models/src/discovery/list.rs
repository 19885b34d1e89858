//! Asking servers which models they have.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use wharf_protocol::cost::PriceSource;
use wharf_protocol::{Price, Timestamp};

use super::account::{Account, Kind};
use crate::http::{Endpoint, place, read_at_most};
use crate::remote::below;

/// A server on this machine accepts at once or is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);

/// For connecting, asking and reading together, on this machine.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The same for a server that may be far away.
const FAR_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an outcome holds, of a server that may be started or stopped at any time.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// How long the list of a provider on the network holds.
const HOSTED_FRESH_FOR: Duration = Duration::from_secs(600);

/// Longest list of models that is read; a router's of some hundred models takes one. Of a longer one nothing is used.
const MAX_LIST_BYTES: usize = 4 << 20;

/// Most models of one server that are kept; further ones can be named all the same.
const MAX_MODELS: usize = 500;

/// What a server said when it was last asked.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) at: Instant,
    /// The same by the clock on the wall, for whoever reads it elsewhere.
    pub(super) said_at: Timestamp,
    /// `Err`: why it cannot be used.
    pub(super) outcome: Result<Arc<Found>, String>,
}

/// A server that answered.
#[derive(Debug, Default)]
pub(super) struct Found {
    models: Vec<FoundModel>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FoundModel {
    pub(super) name: String,
    pub(super) context_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) images: Option<bool>,
    pub(super) price: Option<Price>,
}

impl Account {
    /// What its server says, asked again only once the last answer is old.
    pub(super) async fn list(&self) -> Listed {
        // Held while asking: who asks at the same time waits for the same outcome.
        let mut listed = self.listed.lock().await;
        let is_far = matches!(&self.base_url, Ok(url) if url.scheme() == "https");
        let fresh_for = |listed: &Listed| if is_far && listed.outcome.is_ok() { HOSTED_FRESH_FOR } else { FRESH_FOR };
        if let Some(listed) = listed.as_ref().filter(|listed| listed.at.elapsed() < fresh_for(listed)) {
            return listed.clone();
        }
        let outcome = self.ask_for_list().await.map(Arc::new);
        let now = Listed { at: Instant::now(), said_at: Timestamp::now(), outcome };
        *listed = Some(now.clone());
        now
    }

    /// What its server said before, without asking.
    pub(super) fn last_list(&self) -> Option<Listed> {
        self.listed.try_lock().ok().and_then(|listed| listed.clone())
    }

    async fn ask_for_list(&self) -> Result<Found, String> {
        let url = self.base_url.as_ref().map_err(Clone::clone)?;
        if self.kind == Kind::Local {
            // Looked at first: where nothing listens, not even an HTTP client is made.
            listens(url).await?;
        }
        let limit = if self.kind == Kind::Local { LOCAL_TIMEOUT } else { FAR_TIMEOUT };
        let answer = async {
            let key = self.key(None).await.map_err(|error| error.to_string())?;
            let headers = self.headers(key.as_ref()).map_err(|error| error.to_string())?;
            self.read_list(url, Endpoint::new(self.list_url(url), headers), limit).await
        };
        timeout(limit, answer).await.unwrap_or_else(|_| Err(format!("{} did not answer in time", place(url))))
    }

    /// Its own place for lists is for its own servers alone.
    fn list_url(&self, base_url: &Url) -> Url {
        let listed = self.preset.and_then(|preset| Some((preset.base_url?, preset.list_url?)));
        let elsewhere = listed.filter(|(known, _)| *known == base_url.as_str()).and_then(|(_, list)| list.parse().ok());
        elsewhere.unwrap_or_else(|| below(base_url, &["models"]))
    }

    async fn read_list(&self, url: &Url, endpoint: Endpoint, limit: Duration) -> Result<Found, String> {
        let place = place(url);
        let response = self.transport.get(&endpoint, limit).await.map_err(|error| error.message)?;
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403)
            && let Some(key) = &self.key
        {
            return Err(format!("{place} refuses the key of {} (HTTP {})", key.setting(), status.as_u16()));
        }
        if !status.is_success() {
            return Err(format!("{place} answers, but lists no models (HTTP {})", status.as_u16()));
        }
        let body = read_at_most(response, MAX_LIST_BYTES, limit).await;
        let list: AnyList =
            serde_json::from_slice(&body).map_err(|_| format!("{place} answers, but not as a model server does"))?;
        Ok(Found { models: list.models() })
    }
}

async fn listens(url: &Url) -> Result<(), String> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let place = place(url);
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((host.trim_matches(['[', ']']), port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(format!("nothing listens on {place}")),
        Err(_) => Err(format!("{place} does not accept connections")),
    }
}

impl Found {
    pub(super) fn model(&self, name: &str) -> Option<&FoundModel> {
        let latest = format!("{name}:latest");
        let named = |wanted: &str| self.models.iter().find(|model| model.name == wanted);
        named(name).or_else(|| named(&latest))
    }

    /// The first model that is not for embeddings or speech.
    pub(super) fn first_chat_model(&self) -> Option<&FoundModel> {
        let chats = |model: &&FoundModel| {
            let name = model.name.to_lowercase();
            !["embed", "rerank", "whisper", "tts"].iter().any(|other| name.contains(other))
        };
        self.models.iter().find(chats)
    }

    pub(super) fn models(&self) -> &[FoundModel] {
        &self.models
    }
}

/// `GET /models`, bare or in an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyList {
    Bare(Vec<WireModel>),
    Object(WireList),
}

#[derive(Deserialize)]
struct WireList {
    /// Ollama says `null` where it has none.
    data: Option<Vec<WireModel>>,
    /// Gemini's list, which calls an id a name.
    #[serde(default)]
    models: Option<Vec<GeminiModel>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiModel {
    name: String,
    #[serde(default)]
    input_token_limit: Option<u64>,
    #[serde(default)]
    output_token_limit: Option<u64>,
    #[serde(default)]
    supported_generation_methods: Vec<String>,
}

impl GeminiModel {
    fn chats(&self) -> bool {
        self.supported_generation_methods.iter().any(|method| method == "generateContent")
    }
}

/// One model, as the servers that tell more than a name say it. What is of another type than expected is as good as absent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireModel {
    id: String,
    /// vLLM.
    max_model_len: Value,
    /// OpenRouter, Together.
    context_length: Value,
    /// Groq.
    context_window: Value,
    max_completion_tokens: Value,
    /// Mistral.
    max_context_length: Value,
    /// Anthropic.
    max_input_tokens: Value,
    max_tokens: Value,
    /// llama.cpp.
    meta: Value,
    /// OpenRouter: what its best upstream takes, which may be less; what goes in; and what it costs, in dollars per token.
    top_provider: Value,
    architecture: Value,
    pricing: Value,
}

impl WireModel {
    fn context_tokens(&self) -> Option<u64> {
        let served = self.meta.get("n_ctx").and_then(Value::as_u64);
        let upstream = self.top_provider.get("context_length").and_then(Value::as_u64);
        let said = [&self.max_model_len, &self.context_length, &self.context_window, &self.max_context_length];
        let said = said.into_iter().chain([&self.max_input_tokens]).find_map(Value::as_u64);
        served.or_else(|| said.into_iter().chain(upstream).min())
    }

    fn output_tokens(&self) -> Option<u64> {
        let upstream = self.top_provider.get("max_completion_tokens").and_then(Value::as_u64);
        upstream.or(self.max_completion_tokens.as_u64()).or(self.max_tokens.as_u64())
    }

    fn images(&self) -> Option<bool> {
        let inputs = self.architecture.get("input_modalities")?.as_array()?;
        Some(inputs.iter().any(|input| input == "image"))
    }

    /// Only OpenRouter's form: others use the same word for other units.
    fn price(&self) -> Option<Price> {
        let part = |name: &str| self.pricing.get(name).and_then(Value::as_str).and_then(millionths_per_million);
        Some(Price {
            input: part("prompt")?,
            output: part("completion")?,
            cache_read: part("input_cache_read"),
            cache_write: part("input_cache_write"),
            above: None,
            varies: false,
            source: PriceSource::Provider,
        })
    }
}

/// Dollars per token, as text, in millionths of a dollar per million tokens. A router of routers says -1: it depends.
fn millionths_per_million(dollars: &str) -> Option<u64> {
    let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    // Finer than that is no price of anything.
    let part = part.get(..part.len().min(12)).filter(|part| is_plain(part) && is_plain(whole))?;
    format!("{whole}{part:0<12}").parse().ok()
}

impl AnyList {
    fn models(self) -> Vec<FoundModel> {
        let (plain, geminis) = match self {
            Self::Bare(models) => (models, Vec::new()),
            Self::Object(list) => (list.data.unwrap_or_default(), list.models.unwrap_or_default()),
        };
        let model = |wire: WireModel| FoundModel {
            context_tokens: wire.context_tokens(),
            output_tokens: wire.output_tokens(),
            images: wire.images(),
            price: wire.price(),
            name: wire.id,
        };
        let plain = plain.into_iter().filter(|wire| !wire.id.is_empty()).map(model);
        let geminis = geminis.into_iter().filter(GeminiModel::chats).map(|wire| FoundModel {
            name: wire.name.strip_prefix("models/").unwrap_or(&wire.name).to_owned(),
            context_tokens: wire.input_token_limit,
            output_tokens: wire.output_token_limit,
            ..FoundModel::default()
        });
        plain.chain(geminis).take(MAX_MODELS).collect()
    }
}
