//! Puts the parts together: from the configuration to models, tools, store and engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use wharf_engine::{Engine, EngineConfig, InstructionsConfig, Parts, Recovery};
use wharf_exec::supervisor::SupervisorProgram;
use wharf_mcp::{Mcp, McpConfig};
use wharf_models::{BadProfile, KeySource, ModelSource, Models, ModelsConfig};
use wharf_store::{SqliteConfig, SqliteStore, StoreError};
use wharf_tools::{Toolbox, ToolsConfig};

use crate::config::{Config, RecoveryChoice, default_path, mcp_servers, profiles};
use crate::failure::{Exit, Failure};
use crate::keys::{VariableKey, at_home};
use crate::process;
use crate::state::StateDir;

/// Models that a session is passed on to; a turn's time is better spent on telling somebody.
const MAX_FALLBACK_MODELS: usize = 8;

/// The models that can be used. Connects to nothing.
pub fn models(config: &Config, environment: &BTreeMap<String, String>) -> anyhow::Result<Models> {
    let key = match &config.api_key_env {
        Some(name) => {
            let key = VariableKey::new("api_key_env".to_owned(), name.clone(), environment);
            key.look().map_err(|reason| Failure::new(Exit::Usage, reason))?;
            Some(Arc::new(key) as Arc<dyn KeySource>)
        }
        None => None,
    };
    let bad = |bad: BadProfile| {
        Failure::new(Exit::Usage, bad.to_string())
            .hint("`wharf config path` names the file, docs/configuration.md has an example")
    };
    let config = ModelsConfig {
        model: config.model.clone(),
        base_url: config.base_url.clone(),
        protocol: config.protocol,
        key,
        profiles: profiles(&config.providers, environment).map_err(bad)?,
        context_tokens: config.context_tokens,
        model_idle_ms: config.limits.model_idle_ms,
        environment: environment.clone(),
        ..ModelsConfig::default()
    };
    config.check().map_err(bad)?;
    Ok(Models::discover(config))
}

/// Says which profiles cannot be used as things are. The others can, and what is missing may come.
pub fn say_unready(models: &Models) {
    for (name, reason) in models.unready() {
        tracing::warn!("the models of providers.{name} cannot be used yet: {reason}");
    }
}

/// The built-in tools.
pub fn tools(config: &Config, environment: &BTreeMap<String, String>) -> Toolbox {
    Toolbox::builtin(ToolsConfig {
        environment: environment.clone(),
        pass_environment: config.pass_environment.clone(),
        bash_timeout_ms: config.limits.tool_time_ms,
        supervisor: Some(SupervisorProgram::this()),
        containment: config.containment,
    })
}

/// The MCP servers that the configuration names. Starts none.
pub fn mcp(config: &Config, environment: &BTreeMap<String, String>) -> Mcp {
    Mcp::new(McpConfig {
        servers: mcp_servers(&config.mcp),
        environment: environment.clone(),
        pass_environment: config.pass_environment.clone(),
        call_timeout_ms: config.limits.tool_time_ms,
        supervisor: Some(SupervisorProgram::this()),
    })
}

/// Whether the configured MCP servers can be tried; which one cannot, by its name.
pub fn check_mcp(config: &Config) -> anyhow::Result<()> {
    for server in mcp_servers(&config.mcp) {
        McpConfig::check(std::slice::from_ref(&server)).map_err(|bad| {
            let field = bad.path.trim_start_matches("[0].");
            Failure::new(Exit::Usage, format!("mcp.{}.{field}: {}", server.name, bad.reason))
                .hint("`wharf config path` names the file")
        })?;
    }
    Ok(())
}

/// Whether the configured fallback models can be tried one after the other.
fn check_fallbacks(config: &Config) -> anyhow::Result<()> {
    let models = &config.fallback_models;
    let wrong = match models.iter().find(|model| !model.contains('/')) {
        Some(model) => format!("`{model}` is not `provider/name`"),
        None if models.len() > MAX_FALLBACK_MODELS => {
            format!("{} models; at most {MAX_FALLBACK_MODELS} are tried", models.len())
        }
        None => return Ok(()),
    };
    let failure = Failure::new(Exit::Usage, format!("fallback_models: {wrong}"));
    Err(failure.hint("`wharf config path` names the file").into())
}

/// The store in the state directory.
pub fn store(config: &Config, state: &StateDir) -> anyhow::Result<Arc<SqliteStore>> {
    let options = SqliteConfig { readers: config.storage.readers.max(1), ..SqliteConfig::new(state.database()) };
    SqliteStore::open(options).map_err(|error| {
        let failure = Failure::new(Exit::Failed, format!("cannot open the store: {error}"));
        let failure = match error {
            StoreError::Corrupt(_) | StoreError::Damaged { .. } => {
                failure.hint("`wharf doctor` says what is wrong, `wharf doctor export DIR` saves what is sound")
            }
            _ => failure,
        };
        failure.into()
    })
}

/// Where sessions work that name no directory.
pub fn work_dir(config: &Config) -> anyhow::Result<PathBuf> {
    let dir = match &config.work_dir {
        Some(dir) => dir.clone(),
        None => process::directory()?,
    };
    dir.canonicalize().with_context(|| format!("the directory {}", dir.display()))
}

/// What is ours beside the state, so that no agent reads it: the configuration, in its directory or where it was named, and a
/// keys for other servers and for providers.
fn masked(config: &Config, config_file: Option<&Path>, environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let usual = default_path(environment);
    let named = config_file.and_then(|path| std::path::absolute(path).ok());
    let key = config.client.key_file.as_ref().and_then(|path| std::path::absolute(path).ok());
    let keys = config.providers.values().filter_map(|provider| provider.api_key_file.as_ref());
    let keys = keys.map(|path| at_home(path, environment));
    // The file beside its directory: it may be a link to another place.
    let directory = usual.as_deref().and_then(Path::parent).map(Path::to_owned);
    [directory, usual, named, key].into_iter().flatten().chain(keys).collect()
}

/// What models are told of where a session works. The user's own file lies beside the configuration, where that usually is.
fn instructions(config: &Config, environment: &BTreeMap<String, String>) -> InstructionsConfig {
    let directory = default_path(environment).and_then(|path| path.parent().map(Path::to_owned));
    InstructionsConfig {
        files: config.instructions.files,
        facts: config.instructions.facts,
        own_file: directory.map(|directory| directory.join("AGENTS.md")),
    }
}

/// An engine with everything it needs, at work. A server takes up all that was left unfinished.
pub async fn engine(
    config: &Config,
    config_file: Option<&Path>,
    is_server: bool,
    environment: &BTreeMap<String, String>,
    state: &StateDir,
) -> anyhow::Result<Engine> {
    check_mcp(config)?;
    let models = Arc::new(models(config, environment)?);
    engine_with(config, config_file, is_server, environment, state, models).await
}

/// The same with models that somebody else looks after.
pub async fn engine_with(
    config: &Config,
    config_file: Option<&Path>,
    is_server: bool,
    environment: &BTreeMap<String, String>,
    state: &StateDir,
    models: Arc<dyn ModelSource>,
) -> anyhow::Result<Engine> {
    let store = store(config, state)?;
    let tools = tools(config, environment);
    let mcp = mcp(config, environment);
    let config = engine_config(config, config_file, is_server, environment, state)?;
    let engine = Engine::start(config, Parts { store, models, tools, mcp });
    engine.await.context("the engine did not start")
}

pub fn engine_config(
    config: &Config,
    config_file: Option<&Path>,
    is_server: bool,
    environment: &BTreeMap<String, String>,
    state: &StateDir,
) -> anyhow::Result<EngineConfig> {
    check_fallbacks(config)?;
    let Config { turns, storage, .. } = config;
    Ok(EngineConfig {
        allowed_roots: config.allowed_roots.clone(),
        masked: masked(config, config_file, environment),
        instructions: instructions(config, environment),
        small_model: config.small_model.clone(),
        fallback_models: config.fallback_models.clone(),
        // With a base URL the models know best what its default is.
        default_model: config.model.clone().filter(|_| config.base_url.is_none()),
        default_mode: config.permission,
        rules: config.rules.clone(),
        limits: config.limits.clone(),
        recovery: match config.recovery {
            RecoveryChoice::Continue => Recovery::Continue,
            RecoveryChoice::Interrupt => Recovery::Interrupt,
        },
        recover_at_start: is_server,
        idle_unload_ms: storage.idle_unload_ms,
        permission_timeout_ms: turns.permission_ms,
        unattended_permission_timeout_ms: turns.unattended_permission_ms,
        max_turn_ms: turns.max_ms,
        max_turn_tokens: turns.max_tokens,
        max_model_attempts: turns.model_attempts,
        chunk_retention_ms: storage.chunk_retention_ms,
        ..EngineConfig::new(work_dir(config)?, state.path())
    })
}
