//! The way in that fits: the server of this machine where one runs, otherwise an engine in this process.

use std::future::Future;
use std::path::PathBuf;

use crate::{Client, ClientError, Discovery, RemoteOptions};

/// Where to look for a server.
#[derive(Debug, Clone)]
pub struct AutoConfig {
    pub state_dir: PathBuf,
    pub options: RemoteOptions,
}

/// Which way [`Client::auto`] took.
#[derive(Clone)]
pub enum Found {
    Server(Client, Discovery),
    /// No server runs, or it does not answer: this is what `embed` made.
    Embedded(Client),
}

/// What is known of the server of a state directory.
#[derive(Clone)]
pub enum Looked {
    /// None runs.
    Nobody,
    /// It answered. Also with a refusal: who is told to wait, or to show another key, has found a server.
    Alive(Client, Discovery),
    /// It holds the state directory and does not answer.
    Silent(Discovery, ClientError),
}

impl Found {
    #[must_use]
    pub fn client(&self) -> &Client {
        match self {
            Self::Server(client, _) | Self::Embedded(client) => client,
        }
    }
}

impl Client {
    /// The server that runs on `config.state_dir` and answers within the probe's time; otherwise what `embed` makes, which is told
    /// why.
    pub async fn auto<E, Made>(config: &AutoConfig, embed: impl FnOnce(Looked) -> Made) -> Result<Found, E>
    where
        E: From<ClientError>,
        Made: Future<Output = Result<Client, E>>,
    {
        match Self::look(config).await? {
            Looked::Alive(client, discovery) => Ok(Found::Server(client, discovery)),
            other => embed(other).await.map(Found::Embedded),
        }
    }

    /// Looks for the server of `config.state_dir`.
    pub async fn look(config: &AutoConfig) -> Result<Looked, ClientError> {
        let Some(discovery) = Discovery::find(&config.state_dir)? else { return Ok(Looked::Nobody) };
        let client = Client::remote_with(&discovery.url, discovery.auth()?, config.options)?;
        Ok(match client.probe().await {
            Ok(_) => Looked::Alive(client, discovery),
            Err(error) if error.is_answer() => {
                tracing::debug!(url = %discovery.url, reason = %error, "the server lives and refuses a probe");
                Looked::Alive(client, discovery)
            }
            Err(error) => Looked::Silent(discovery, error),
        })
    }

    /// The server that runs on `config.state_dir`, if one does and answers.
    pub async fn discover(config: &AutoConfig) -> Result<Option<(Client, Discovery)>, ClientError> {
        match Self::look(config).await? {
            Looked::Nobody => Ok(None),
            Looked::Alive(client, discovery) => Ok(Some((client, discovery))),
            Looked::Silent(discovery, error) => {
                tracing::warn!(url = %discovery.url, reason = %error, "a server holds the state directory but does not answer");
                Ok(None)
            }
        }
    }
}
