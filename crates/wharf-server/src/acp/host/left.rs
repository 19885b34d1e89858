//! Terminals that were left at a client: ended and released when it comes (back).

use std::sync::Arc;
use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use serde::de::IgnoredAny;
use tokio::time::timeout;
use wharf_engine::HostError;
use wharf_protocol::SessionId;

use crate::acp::asking::Asking;
use crate::acp::method::Ours;
use crate::terminals::Terminals;

/// For a client to end and release one, and all of them.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const ALL_WAIT: Duration = Duration::from_secs(60);

/// One that the client does not know may be another client's, and is kept for that one. What is left over is asked for when the
/// client comes the next time.
pub(in crate::acp) async fn release_left(terminals: Arc<Terminals>, session: SessionId, asking: Arc<Asking>) {
    let all = async {
        for id in terminals.left(&session) {
            let of_session = acp::SessionId::new(session.as_str());
            let kill = acp::KillTerminalRequest::new(of_session.clone(), id.clone());
            // One that has ended may be an error.
            let killed: Result<IgnoredAny, _> = asking.ask(Ours::KillTerminal, &kill, ANSWER_WAIT).await;
            if matches!(killed, Err(HostError::Gone | HostError::Silent { .. })) {
                return;
            }
            let release = acp::ReleaseTerminalRequest::new(of_session, id.clone());
            match asking.ask::<IgnoredAny>(Ours::ReleaseTerminal, &release, ANSWER_WAIT).await {
                Ok(IgnoredAny) => {
                    tracing::info!(session.id = %session, "a terminal that was left at a client is released");
                    terminals.forget(&session, &id);
                }
                Err(HostError::Refused(_)) => terminals.refused(&session, &id),
                Err(_) => return,
            }
        }
    };
    drop(timeout(ALL_WAIT, all).await);
}
