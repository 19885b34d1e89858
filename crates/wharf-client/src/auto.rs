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

/// What [`Client::auto`] came to.
#[derive(Clone)]
pub enum Found {
    Server(Client, Discovery),
    /// No server runs: this is what `embed` made.
    Embedded(Client),
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
    /// The server that runs on `config.state_dir` and answers within the probe's time; otherwise what `embed` makes.
    pub async fn auto<E, Made>(config: &AutoConfig, embed: impl FnOnce() -> Made) -> Result<Found, E>
    where
        E: From<ClientError>,
        Made: Future<Output = Result<Client, E>>,
    {
        match Self::discover(config).await? {
            Some((client, discovery)) => Ok(Found::Server(client, discovery)),
            None => embed().await.map(Found::Embedded),
        }
    }

    /// The server that runs on `config.state_dir`, if one does and answers.
    pub async fn discover(config: &AutoConfig) -> Result<Option<(Client, Discovery)>, ClientError> {
        let Some(discovery) = Discovery::find(&config.state_dir)? else { return Ok(None) };
        let client = Client::remote_with(&discovery.url, discovery.auth()?, config.options)?;
        match client.probe().await {
            Ok(_) => Ok(Some((client, discovery))),
            Err(error) => {
                tracing::warn!(url = %discovery.url, reason = %error, "a server holds the state directory but does not answer");
                Ok(None)
            }
        }
    }
}
