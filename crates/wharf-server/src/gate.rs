//! The gate: who somebody is, and whether they may do what they ask for. Every request, every action on a socket and every stream
//! that opens is judged here and nowhere else.
//!
//! It is asynchronous, because what it has to look up need not lie in this process' memory.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use wharf_engine::{Accepted, Access, Caller, Cursor, Engine, Watcher};
use wharf_protocol::rest::{Limits, Ticket};
use wharf_protocol::{ApiError, ErrorCode, Scope, Seq, SessionId};

use crate::auth::{Auth, Keys};
use crate::error::Failure;
use crate::limit::Bucket;
use crate::ticket::Tickets;

/// Somebody who was let in.
pub(crate) struct Principal {
    /// What there is, as this caller may use it.
    pub(crate) access: Access,
    pub(crate) bucket: Bucket,
}

/// What a request shows to be let in.
#[derive(Clone, Copy)]
pub(crate) enum Credential<'a> {
    Ticket(&'a str),
    /// A key in a header, if there is one.
    Headers(&'a HeaderMap),
}

/// What a stream shows.
#[derive(Clone, Copy)]
pub(crate) enum Stream<'a> {
    /// A session's log.
    Session(&'a SessionId),
    /// The turn of a prompt that was accepted: who may ask may see the answer.
    Turn(&'a SessionId),
    /// Every session's log.
    Everything,
}

enum Known {
    Keys(Keys<Arc<Principal>>),
    /// Everybody is this one.
    Everybody(Arc<Principal>),
}

pub(crate) struct Gate {
    known: Known,
    tickets: Tickets<Principal>,
}

impl Gate {
    pub(crate) fn new(auth: &Auth, limits: &Limits, engine: &Engine) -> Self {
        let principal = |caller| Arc::new(Principal { access: engine.access(caller), bucket: Bucket::new(limits) });
        let known = match auth {
            Auth::Keys(keys) => Known::Keys(Keys::new(
                keys.iter().map(|key| (key.hash, principal(Caller::new(key.name.as_str(), key.scopes)))),
            )),
            Auth::None => Known::Everybody(principal(Caller::owner("local"))),
        };
        Self { known, tickets: Tickets::default() }
    }

    /// Whose request this is.
    pub(crate) async fn identify(&self, shown: Credential<'_>, now: Instant) -> Result<Arc<Principal>, ApiError> {
        match (shown, &self.known) {
            (Credential::Ticket(ticket), _) => self.tickets.redeem(ticket, now),
            (Credential::Headers(_), Known::Everybody(principal)) => Ok(Arc::clone(principal)),
            (Credential::Headers(headers), Known::Keys(keys)) => keys.find(headers).cloned(),
        }
    }

    /// Whether somebody may do what takes `scope`, to `session` where it is about one.
    pub(crate) async fn allow(
        &self,
        principal: &Principal,
        scope: Scope,
        session: Option<&SessionId>,
    ) -> Result<(), ApiError> {
        let caller = principal.access.caller();
        let judged = judge(caller, scope);
        if judged.is_err() {
            let session = session.map(tracing::field::display);
            tracing::debug!(caller = %caller.name, scope = scope.as_str(), session.id = session, "refused");
        }
        judged
    }

    /// Lets somebody open a stream; `answers`: they would answer permissions there, if they may.
    pub(crate) async fn open(
        &self,
        principal: &Principal,
        stream: Stream<'_>,
        answers: bool,
    ) -> Result<Watcher, ApiError> {
        let (scope, session) = match stream {
            Stream::Session(session) => (Scope::SessionsRead, Some(session)),
            Stream::Turn(session) => (Scope::SessionsWrite, Some(session)),
            Stream::Everything => (Scope::SessionsRead, None),
        };
        self.allow(principal, scope, session).await?;
        let may_answer = answers && judge(principal.access.caller(), Scope::PermissionsAnswer).is_ok();
        Ok(Watcher { may_answer })
    }

    /// Opens the stream of a prompt's turn, from the event on that accepted it.
    pub(crate) async fn open_turn(
        &self,
        principal: &Principal,
        session: &SessionId,
        accepted: &Accepted,
        answers: bool,
    ) -> Result<Cursor, Failure> {
        let watcher = self.open(principal, Stream::Turn(session), answers).await?;
        let before = Seq(accepted.seq.0.saturating_sub(1));
        Ok(principal.access.watch(session, Some(before), watcher).await?)
    }

    /// A ticket that is as good as the principal's own key, once and for a moment.
    pub(crate) fn ticket(&self, principal: &Arc<Principal>, now: Instant) -> Result<Ticket, ApiError> {
        self.tickets.issue(principal, now)
    }
}

/// By what the server's own record says of the caller, never by what the request says.
fn judge(caller: &Caller, scope: Scope) -> Result<(), ApiError> {
    if caller.scopes.contains(scope) {
        return Ok(());
    }
    let name = scope.as_str();
    Err(ApiError::new(ErrorCode::Forbidden, format!("the key lacks the scope {name}"))
        .with_details(serde_json::json!({ "scope": name })))
}

#[cfg(test)]
mod tests;
