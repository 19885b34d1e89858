//! What every MCP server stands on: the environment, the supervisor, one HTTP client, and how many may run.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use reqwest::Client;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use wharf_exec::environment;
use wharf_exec::supervisor::{Supervisor, SupervisorProgram};

use crate::http;

/// Servers of all sessions together. Beyond them one is not started; it is tried again like one that does not work.
pub(crate) const RUNNING_MAX: usize = 256;

/// What every server stands on.
pub(crate) struct Ground {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) supervisor: Option<Arc<Supervisor>>,
    pub(crate) stop: CancellationToken,
    /// One permit for each server that runs.
    pub(crate) running: Arc<Semaphore>,
    /// As far as it says which proxy to use.
    whole_environment: BTreeMap<String, String>,
    client: OnceLock<Client>,
}

impl Ground {
    pub(crate) fn new(
        whole_environment: BTreeMap<String, String>,
        pass_environment: &[String],
        supervisor: Option<SupervisorProgram>,
    ) -> Self {
        Self {
            environment: environment::allowed(&whole_environment, pass_environment),
            supervisor: supervisor
                .filter(|_| cfg!(target_os = "linux"))
                .map(|program| Arc::new(Supervisor::new(program))),
            stop: CancellationToken::new(),
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
            whole_environment,
            client: OnceLock::new(),
        }
    }

    /// Made when it is first needed: many have no server over HTTP.
    pub(crate) fn client(&self) -> Result<Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = http::client(&self.whole_environment)?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}
