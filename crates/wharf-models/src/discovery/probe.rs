//! Asking servers which models they have.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Url;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use wharf_protocol::model::{ModelInfo, Provider};

use super::config::{Explicit, LocalServer, parse_base_url, without_secrets};
use super::context;
use crate::anthropic;
use crate::gemini;
use crate::http::{Endpoint, Transport, place, read_at_most};
use crate::key::ApiKey;
use crate::remote::{InvalidKey, bearer, below};
use wharf_protocol::model::Protocol;

/// A server on this machine accepts at once or is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);

/// For connecting, asking and reading together.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// For a server that was set, which may be far away.
const EXPLICIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an outcome holds.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// Longest list of models that is read.
const MAX_LIST_BYTES: usize = 1 << 20;

/// Most models of one server that are kept.
const MAX_MODELS: usize = 200;

/// The local servers, asked together when first needed and then every now and then.
pub(super) struct Probes {
    servers: Vec<LocalServer>,
    transport: Arc<Transport>,
    // Held while probing: who asks at the same time waits for the same outcome.
    last: Mutex<Option<(Instant, Arc<[Probe]>)>>,
    last_explicit: Mutex<Option<(Instant, Result<Found, String>)>>,
}

/// One server and what it said.
#[derive(Debug)]
pub(super) struct Probe {
    pub server: LocalServer,
    /// `Err`: why it cannot be used.
    pub outcome: Result<Found, String>,
}

/// A server that answered.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub base_url: Url,
    models: Vec<FoundModel>,
}

#[derive(Debug, Clone)]
pub(super) struct FoundModel {
    pub name: String,
    pub context_tokens: Option<u64>,
}

impl Probes {
    pub(super) fn new(servers: Vec<LocalServer>, transport: Arc<Transport>) -> Self {
        Self { servers, transport, last: Mutex::default(), last_explicit: Mutex::default() }
    }

    pub(super) fn knows(&self, provider: &str) -> bool {
        self.servers.iter().any(|server| server.name == provider)
    }

    pub(super) async fn all(&self) -> Arc<[Probe]> {
        let mut last = self.last.lock().await;
        if let Some((at, probes)) = &*last
            && at.elapsed() < FRESH_FOR
        {
            return Arc::clone(probes);
        }
        let probes: Arc<[Probe]> = join_all(self.servers.iter().map(|server| self.probe(server))).await.into();
        *last = Some((Instant::now(), Arc::clone(&probes)));
        probes
    }

    /// The server that was set.
    pub(super) async fn explicit(&self, set: &Explicit, base_url: &Url) -> Result<Found, String> {
        let mut last = self.last_explicit.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < FRESH_FOR
        {
            return outcome.clone();
        }
        let protocol = set.protocol.unwrap_or_default();
        let outcome = self.ask(protocol, base_url, set.key.as_ref(), EXPLICIT_TIMEOUT).await;
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    async fn probe(&self, server: &LocalServer) -> Probe {
        let outcome = async {
            let base_url = parse_base_url(&server.base_url, Protocol::Openai)?;
            let (host, port) =
                (base_url.host_str().unwrap_or_default(), base_url.port_or_known_default().unwrap_or(80));
            let place = place(&base_url);
            // Looked at first: where nothing listens, not even an HTTP client is made.
            match timeout(CONNECT_TIMEOUT, TcpStream::connect((host.trim_matches(['[', ']']), port))).await {
                Ok(Ok(_)) => self.ask(Protocol::Openai, &base_url, None, PROBE_TIMEOUT).await,
                Ok(Err(_)) => Err(format!("nothing listens on {place}")),
                Err(_) => Err(format!("{place} does not accept connections")),
            }
        };
        Probe { server: server.clone(), outcome: outcome.await }
    }

    async fn ask(
        &self,
        protocol: Protocol,
        base_url: &Url,
        key: Option<&ApiKey>,
        limit: Duration,
    ) -> Result<Found, String> {
        let place = place(base_url);
        let headers = match protocol {
            Protocol::Openai | Protocol::Responses => bearer(key),
            Protocol::Gemini => gemini::headers(key),
            Protocol::Anthropic => anthropic::headers(base_url, key),
        };
        let headers = headers.map_err(|InvalidKey| "the key holds characters that no header can".to_owned())?;
        let endpoint = Endpoint::new(below(base_url, &["models"]), headers);
        let answer = async {
            let response = self.transport.get(&endpoint, limit).await.map_err(|error| error.message)?;
            let status = response.status();
            if !status.is_success() {
                return Err(format!("{place} answers, but lists no models (HTTP {})", status.as_u16()));
            }
            let body = read_at_most(response, MAX_LIST_BYTES, limit).await;
            let list: WireList = serde_json::from_slice(&body)
                .map_err(|_| format!("{place} answers, but not as a model server does"))?;
            Ok(Found { base_url: base_url.clone(), models: list.models() })
        };
        timeout(limit, answer).await.unwrap_or_else(|_| Err(format!("{place} did not answer in time")))
    }
}

impl Probe {
    /// As listings show it.
    pub(super) fn row(&self, default: &str) -> Provider {
        let (available, reason, models) = match &self.outcome {
            Ok(found) if found.models.is_empty() => (false, "it runs, but has no model".to_owned(), Vec::new()),
            Ok(found) => (true, format!("runs on {}", place(&found.base_url)), found.infos(&self.server.name, default)),
            Err(reason) => (false, reason.clone(), Vec::new()),
        };
        let base_url = parse_base_url(&self.server.base_url, Protocol::Openai).ok().map(|url| without_secrets(&url));
        Provider { name: self.server.name.clone(), base_url, available, reason, models }
    }
}

impl Found {
    /// A server whose model was set with it: taken at the user's word.
    pub(super) fn stated(base_url: Url, name: String, context_tokens: Option<u64>) -> Self {
        let context_tokens = context_tokens.or_else(|| context::of(&name));
        Self { base_url, models: vec![FoundModel { name, context_tokens }] }
    }

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

    pub(super) fn names(&self, most: usize) -> Vec<String> {
        self.models.iter().take(most).map(|model| model.name.clone()).collect()
    }

    pub(super) fn infos(&self, provider: &str, default: &str) -> Vec<ModelInfo> {
        let info = |model: &FoundModel| {
            let id = format!("{provider}/{}", model.name);
            ModelInfo { is_default: id == default, id, context_tokens: model.context_tokens }
        };
        self.models.iter().map(info).collect()
    }
}

/// `GET /models`.
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
    supported_generation_methods: Vec<String>,
}

impl GeminiModel {
    fn chats(&self) -> bool {
        self.supported_generation_methods.iter().any(|method| method == "generateContent")
    }
}

#[derive(Deserialize)]
struct WireModel {
    id: String,
    /// vLLM.
    #[serde(default)]
    max_model_len: Option<u64>,
    /// OpenRouter.
    #[serde(default)]
    context_length: Option<u64>,
    /// llama.cpp.
    #[serde(default)]
    meta: Option<WireMeta>,
}

#[derive(Deserialize)]
struct WireMeta {
    #[serde(default)]
    n_ctx: Option<u64>,
}

impl WireList {
    fn models(self) -> Vec<FoundModel> {
        let model = |wire: WireModel| {
            let served = wire.meta.and_then(|meta| meta.n_ctx);
            let context_tokens = served.or(wire.max_model_len).or(wire.context_length);
            FoundModel { name: wire.id, context_tokens }
        };
        let models = self.data.unwrap_or_default().into_iter().filter(|wire| !wire.id.is_empty()).map(model);
        let geminis = self.models.unwrap_or_default().into_iter().filter(GeminiModel::chats).map(|wire| FoundModel {
            name: wire.name.strip_prefix("models/").unwrap_or(&wire.name).to_owned(),
            context_tokens: wire.input_token_limit,
        });
        models.chain(geminis).take(MAX_MODELS).collect()
    }
}
