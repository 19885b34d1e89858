//! Reading the configuration again while the server runs: all of it holds, or nothing of it changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use wharf_engine::{Engine, EngineConfig};
use wharf_models::{Model, ModelSource, Models, ResolveError};
use wharf_protocol::rest::ModelList;

use crate::config::{self as configuration, Flags, Layered};
use crate::logging::LogLevel;
use crate::output::note;
use crate::state::{ReloadVerdict, StateDir};
use crate::wiring;

/// Keys that a running server takes over, and beginnings of such keys.
const LIVE: [&str; 19] = [
    "model",
    "base_url",
    "protocol",
    "api_key_env",
    "context_tokens",
    "providers",
    "permission",
    "rules",
    "recovery",
    "allowed_roots",
    "log",
    "turns.",
    "storage.idle_unload_ms",
    "storage.chunk_retention_ms",
    "limits.prompt_text_bytes",
    "limits.queued_prompts",
    "limits.live_sessions",
    "limits.tool_output_bytes",
    "limits.model_idle_ms",
];
/// Keys that are about commands, not about a server.
const CLIENT: &str = "client.";

/// Longest verdict that is left for `wharf config reload`; the rest of a longer one stands in the log.
const VERDICT_MAX_CHARS: usize = 8_192;

/// Where the configuration came from, and may come from again.
pub struct Origin {
    pub file: Option<PathBuf>,
    pub flags: Flags,
    pub environment: BTreeMap<String, String>,
    pub log: LogLevel,
}

/// Models that can be exchanged for others; a reply that is being streamed goes on.
pub struct LiveModels(RwLock<Arc<Models>>);

impl LiveModels {
    pub fn new(models: Models) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(models))))
    }

    fn now(&self) -> Arc<Models> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn exchange(&self, models: Models) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(models);
    }
}

#[async_trait]
impl ModelSource for LiveModels {
    async fn resolve(&self, id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        self.now().resolve(id).await
    }

    fn context_tokens(&self, id: &str) -> Option<u64> {
        self.now().context_tokens(id)
    }

    async fn window(&self, id: &str) -> Option<u64> {
        self.now().window(id).await
    }

    async fn list(&self, wait: Duration) -> ModelList {
        ModelSource::list(&*self.now(), wait).await
    }
}

/// What a server needs to take over another configuration.
pub struct Reload {
    pub origin: Origin,
    pub current: Layered,
    pub models: Arc<LiveModels>,
    pub engine: Engine,
    pub state: StateDir,
    /// How many times the configuration was read again.
    pub count: u64,
}

impl Reload {
    /// Reads the configuration again and says what became of it.
    pub fn run(&mut self) {
        let (is_taken, text) = match self.take_over() {
            Ok(told) => (true, told),
            Err(error) => (false, format!("cannot use the configuration; the previous one stays in force: {error}")),
        };
        note(&text);
        self.count += 1;
        let text = text.chars().take(VERDICT_MAX_CHARS).collect();
        let verdict = ReloadVerdict { pid: std::process::id(), count: self.count, is_taken, text };
        if let Err(error) = self.state.say_reload(&verdict) {
            tracing::warn!("cannot say what became of the configuration: {error:#}");
        }
    }

    fn take_over(&mut self) -> Result<String, String> {
        let Origin { file, flags, environment, log } = &self.origin;
        let text = |error: anyhow::Error| format!("{error:#}");
        let next =
            configuration::load(file.as_deref(), environment, flags.clone()).map_err(|error| error.to_string())?;
        // Everything that can fail comes before anything that changes something.
        let models = wiring::models(&next.config, environment).map_err(text)?;
        let engine =
            wiring::engine_config(&next.config, file.as_deref(), true, environment, &self.state).map_err(text)?;
        log.check(&next.config.log)?;
        let engine = EngineConfig { work_dir: self.engine.config().work_dir.clone(), ..engine };
        self.engine.reconfigure(engine).map_err(|error| error.to_string())?;
        log.set(&next.config.log)?;
        wiring::say_unready(&models);
        self.models.exchange(models);
        let told = changes(&self.current, &next);
        self.current = next;
        Ok(told)
    }
}

/// Names of keys only: values may be nobody else's business.
fn changes(old: &Layered, new: &Layered) -> String {
    let value = |layered: &Layered, key: &str| layered.values.get(key).map(|(value, _)| value.clone());
    let keys: std::collections::BTreeSet<&String> = old.values.keys().chain(new.values.keys()).collect();
    let changed = keys.into_iter().filter(|key| value(old, key) != value(new, key) && !key.starts_with(CLIENT));
    let is_live =
        |key: &&String| LIVE.iter().any(|live| *key == live || (live.ends_with('.') && key.starts_with(live)));
    let (live, later): (Vec<&String>, Vec<&String>) = changed.partition(is_live);
    let names = |keys: &[&String]| keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ");
    let mut told = match live[..] {
        [] => "the configuration was read again: nothing changes".to_owned(),
        _ => format!("the configuration was read again: {} changed; turns that run keep the old", names(&live)),
    };
    if !later.is_empty() {
        told.push_str(&format!("; {} only with the next start", names(&later)));
    }
    told
}
