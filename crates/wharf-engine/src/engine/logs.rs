//! Reads of a session's log: pages of it, what it comes to, and cursors that follow it.

use std::sync::Arc;

use wharf_core::Input;
use wharf_failpoints::mistake;
use wharf_protocol::rest::{MessagePage, MessageQuery, Timeline, TurnPage};
use wharf_protocol::{EncodedEvent, Seq, SessionId, Turn, TurnId};
use wharf_store::{Position, Window};

use super::checks::{check_cursor, check_limit};
use super::{Access, PAGE_BYTES};
use crate::cursor::{AllCursor, Cursor, Watcher};
use crate::{EngineError, history};

/// A page of a session's log.
#[derive(Debug, Clone)]
pub struct EventPage {
    pub events: Vec<EncodedEvent>,
    /// The last seq of the log.
    pub last_seq: Seq,
    /// There are later events than these.
    pub more: bool,
}

impl Access {
    pub async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Turn, EngineError> {
        if let Some(turn) = self.shared.store.turn(session, turn).await? {
            return Ok(turn);
        }
        self.session(session).await?;
        Err(EngineError::TurnNotFound(turn.clone()))
    }

    /// Newest first.
    pub async fn turns(&self, session: &SessionId, before: Option<Seq>, limit: usize) -> Result<TurnPage, EngineError> {
        check_limit(Some(limit))?;
        self.session(session).await?;
        let mut turns = self.shared.store.turns(session, before, limit + 1).await?;
        let is_more = turns.len() > limit;
        turns.truncate(limit);
        let next_cursor = turns.last().filter(|_| is_more).map(|turn| turn.first_seq.to_string());
        Ok(TurnPage { session_id: session.clone(), turns, next_cursor })
    }

    pub async fn messages(&self, session: &SessionId, query: MessageQuery) -> Result<MessagePage, EngineError> {
        check_limit(query.limit)?;
        let row = self.session(session).await?;
        let limit = query.limit.unwrap_or(100);
        let (window, is_forward) = match (query.after, query.before) {
            (Some(_), Some(_)) => {
                let reason = "give either `before` or `after`".to_owned();
                return Err(EngineError::Invalid { field: "after", reason });
            }
            (Some(after), None) => (Window::After(after), true),
            (None, before) => (Window::Before(before), false),
        };
        let read = self.shared.store.read_kinds(session, &history::MESSAGE_KINDS, window, limit + 1).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, query.after.unwrap_or_default()))?;
        let is_more = events.len() > limit;
        if is_more && is_forward {
            events.truncate(limit);
        } else if is_more {
            events.remove(0);
        }
        let (first, last) = (events.first().map(|event| event.seq), events.last().map(|event| event.seq));
        let older = if is_forward { query.after.map(Seq::next) } else { first.filter(|_| is_more) };
        let newer = if is_forward { last.filter(|_| is_more) } else { query.before.and(last) };
        let decoded: Result<Vec<_>, _> = events.iter().map(EncodedEvent::decode).collect();
        let decoded =
            decoded.map_err(|error| EngineError::Damaged { session: session.clone(), reason: error.to_string() })?;
        Ok(MessagePage {
            session_id: session.clone(),
            messages: history::messages(decoded),
            total: row.message_count,
            older,
            newer,
        })
    }

    pub async fn clear_messages(&self, session: &SessionId) -> Result<(), EngineError> {
        self.ask(session, Input::Clear { by: self.caller.by() }).await.map(drop)
    }

    /// A page of the log after `after`; from its first event where that is absent.
    pub async fn events(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<EventPage, EngineError> {
        check_limit(Some(limit))?;
        let feed = self.shared.feed(session).await?;
        let row = self.session(session).await?;
        let last_seq = feed.last();
        let after = after.unwrap_or(Seq(row.first_seq.0.saturating_sub(1)));
        check_cursor(after, last_seq, row.first_seq)?;
        let read = self.shared.store.read(session, after, limit, PAGE_BYTES).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, after))?;
        events.truncate(events.partition_point(|event| event.seq <= last_seq));
        let more = events.last().is_some_and(|event| event.seq < last_seq);
        Ok(EventPage { events, last_seq, more })
    }

    /// What happened when, without content.
    pub async fn timeline(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Timeline, EngineError> {
        check_limit(Some(limit))?;
        let row = self.session(session).await?;
        let after = after.unwrap_or(Seq(row.first_seq.0.saturating_sub(1)));
        let kinds = history::timeline_kinds();
        let read = self.shared.store.read_kinds(session, &kinds, Window::After(after), limit + 1).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, after))?;
        let is_more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| is_more).map(|event| event.seq);
        let decoded: Result<Vec<_>, _> = events.iter().map(EncodedEvent::decode).collect();
        let decoded =
            decoded.map_err(|error| EngineError::Damaged { session: session.clone(), reason: error.to_string() })?;
        let entries = decoded.iter().map(history::timeline_entry).collect();
        Ok(Timeline { session_id: session.clone(), entries, next })
    }

    /// A cursor over one session's log: after `after`, or from the present.
    pub async fn watch(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        watcher: Watcher,
    ) -> Result<Cursor, EngineError> {
        let feed = self.shared.feed(session).await?;
        let back = u64::from(mistake("resume_minus_one"));
        let after = after.map(|after| Seq(after.0.saturating_sub(back)));
        if let Some(after) = after {
            let row = self.session(session).await?;
            check_cursor(after, feed.last(), row.first_seq)?;
        }
        Ok(Cursor::new(feed, Arc::clone(&self.shared.store), watcher, after))
    }

    /// A cursor over the log of all sessions: after `after`, or from the present.
    pub async fn watch_all(&self, after: Option<Position>) -> Result<AllCursor, EngineError> {
        let last = self.shared.store.head().position();
        if let Some(after) = after.filter(|after| *after > last) {
            return Err(EngineError::CursorAhead { after: Seq(after.0), last: Seq(last.0) });
        }
        Ok(AllCursor::new(Arc::clone(&self.shared.store), after))
    }
}
