//! The client: one handle, whatever is behind it.

mod commands;
mod live;
mod mcp;
mod prompts;
mod sessions;

pub use sessions::Exported;

use std::sync::Arc;
#[cfg(feature = "embedded")]
use std::time::Duration;

use wharf_protocol::ToolSpec;
use wharf_protocol::rest::{
    AgentList, ExecuteTool, Health, Info, ModelList, Status, ToolExecuted, ToolList, UsageQuery, UsageReport,
};

use crate::backend::Backend;
use crate::remote::{Remote, RemoteOptions, Transport};
use crate::{Auth, ClientError, Retry, Timeouts};

/// For servers that an embedded engine asks which models they have; those that take longer are shown without a list.
#[cfg(feature = "embedded")]
const MODELS_WAIT: Duration = Duration::from_secs(5);

/// A way to a server or an engine. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) backend: Backend,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
}

impl Client {
    /// A server at `url` (its root, with or without `/api/v1`), with the default waits. Nothing is sent yet.
    pub fn remote(url: &str, auth: Auth) -> Result<Self, ClientError> {
        Self::remote_with(url, auth, RemoteOptions::default())
    }

    /// The same, with other waits or another transport.
    pub fn remote_with(url: &str, auth: Auth, options: RemoteOptions) -> Result<Self, ClientError> {
        let remote = Remote::new(url, auth, options)?;
        Ok(Self { backend: Backend::Remote(Arc::new(remote)), timeouts: options.timeouts, retry: options.retry })
    }

    /// The same server over its WebSocket: prompts, cancels, answers and events take `/ws`, the rest HTTP.
    pub fn websocket(url: &str, auth: Auth, options: RemoteOptions) -> Result<Self, ClientError> {
        Self::remote_with(url, auth, RemoteOptions { transport: Transport::WebSocket, ..options })
    }

    /// An engine in this process. `caller` is who its events say asked.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded(engine: wharf_engine::Engine, caller: wharf_engine::Caller, timeouts: Timeouts) -> Self {
        let embedded = crate::embedded::Embedded::new(engine, caller);
        Self { backend: Backend::Embedded(Arc::new(embedded)), timeouts, retry: Retry::default() }
    }

    /// The address of the server; `None` for an engine in this process.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match &self.backend {
            Backend::Remote(remote) => Some(remote.http.base()),
            #[cfg(feature = "embedded")]
            Backend::Embedded(_) => None,
        }
    }

    /// Whether the server lives; needs no key.
    pub async fn health(&self) -> Result<Health, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["health"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.health().await,
        }
    }

    /// One quick look whether the server lives.
    pub async fn probe(&self) -> Result<Health, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(reqwest::Method::GET, &["health"]).timeout(self.timeouts.probe);
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.health().await,
        }
    }

    pub async fn info(&self) -> Result<Info, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["info"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => Ok(embedded.info().await),
        }
    }

    pub async fn status(&self) -> Result<Status, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["status"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.status().await,
        }
    }

    pub async fn tools(&self) -> Result<ToolList, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["tools"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => Ok(embedded.tools()),
        }
    }

    pub async fn tool(&self, name: &str) -> Result<ToolSpec, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["tools", name])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.tool(name),
        }
    }

    /// Runs a tool in a session, through its policy and on its log. Waits as long as the tool may take, and is never repeated.
    pub async fn execute_tool(&self, name: &str, body: ExecuteTool) -> Result<ToolExecuted, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(reqwest::Method::POST, &["tools", name, "execute"]);
                remote.http.fetch(request.timeout(self.timeouts.turn).json(&body)?).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                Ok(embedded.access.execute_tool(name, body).await.map_err(crate::embedded::told)?)
            }
        }
    }

    pub async fn agents(&self) -> Result<AgentList, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["agents"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => Ok(AgentList { agents: embedded.access.agents().to_vec() }),
        }
    }

    pub async fn models(&self) -> Result<ModelList, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["models"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => Ok(embedded.access.models(MODELS_WAIT).await),
        }
    }

    /// What model calls took and cost.
    pub async fn usage(&self, query: UsageQuery) -> Result<UsageReport, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let UsageQuery { by, since, until } = query;
                let request = remote.http.get(&["usage"]).query("by", Some(by.as_str()));
                remote.http.fetch(request.query("since", since).query("until", until)).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => Ok(embedded.access.usage(query).await.map_err(crate::embedded::told)?),
        }
    }

    /// Ends in good order what this client owns: an embedded engine gives its running turns the shutdown time and leaves the
    /// rest to recovery. A server is not touched.
    pub async fn shutdown(&self) {
        match &self.backend {
            Backend::Remote(_) => {}
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.engine.stop(self.timeouts.shutdown).await,
        }
    }
}
