//! What is behind a client: a server or an engine, and the connections that bring its events.

use std::sync::Arc;

use crate::ClientError;
use crate::feed::{FeedItem, Followed};
use crate::remote::{Remote, SseFeed, Transport};
use crate::socket::SocketFeed;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) enum Backend {
    Remote(Arc<Remote>),
    #[cfg(feature = "embedded")]
    Embedded(Arc<crate::embedded::Embedded>),
}

/// One connection's events.
pub(crate) enum Feed {
    Sse(Box<SseFeed>),
    Socket(Box<SocketFeed>),
    #[cfg(feature = "embedded")]
    Embedded(crate::embedded::EmbeddedFeed),
}

impl Feed {
    pub(crate) async fn next(&mut self) -> Result<Vec<FeedItem>, ClientError> {
        match self {
            Self::Sse(feed) => feed.next().await,
            Self::Socket(feed) => feed.next().await,
            #[cfg(feature = "embedded")]
            Self::Embedded(feed) => feed.next().await,
        }
    }
}

impl Backend {
    pub(crate) async fn open_feed(
        &self,
        followed: &Followed,
        after: Option<u64>,
        may_answer: bool,
    ) -> Result<Feed, ClientError> {
        match self {
            Self::Remote(remote) => match remote.transport {
                Transport::Sse => {
                    remote.open_sse(followed, after, may_answer).await.map(|feed| Feed::Sse(Box::new(feed)))
                }
                Transport::WebSocket => {
                    remote.open_socket(followed, after, may_answer).await.map(|feed| Feed::Socket(Box::new(feed)))
                }
            },
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.open_feed(followed, after, may_answer).await.map(Feed::Embedded),
        }
    }

    /// A lost connection may come back.
    pub(crate) fn can_reconnect(&self) -> bool {
        match self {
            Self::Remote(_) => true,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => false,
        }
    }
}
