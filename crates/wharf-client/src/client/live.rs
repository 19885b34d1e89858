//! Events as they happen.

use wharf_protocol::SessionId;

use super::Client;
use crate::feed::Followed;
use crate::{ClientError, EventStream, Follow};

impl Client {
    /// Follows a session. Connects before it returns: a wrong session or cursor is an error here.
    pub async fn events(&self, session: &SessionId, follow: Follow) -> Result<EventStream, ClientError> {
        self.follow(Followed::Session(session.clone()), follow).await
    }

    /// Follows every session.
    pub async fn all_events(&self, follow: Follow) -> Result<EventStream, ClientError> {
        self.follow(Followed::All, follow).await
    }

    async fn follow(&self, followed: Followed, follow: Follow) -> Result<EventStream, ClientError> {
        let mut events = EventStream::new(self.backend.clone(), followed, follow, self.timeouts, self.retry);
        events.open().await?;
        Ok(events)
    }
}
