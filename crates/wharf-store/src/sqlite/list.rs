//! Pages of sessions. Lists without words read an index from the cursor on and take their total from a counter.

use std::borrow::Cow;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use wharf_protocol::rest::{SessionPage, SessionQuery};
use wharf_protocol::{Seq, Session, SessionId};

use super::error::{count, int};
use super::read;
use crate::page::{self, PageCursor};
use crate::{QueryError, StoreError};

pub(super) fn sessions(connection: &Connection, query: &SessionQuery) -> Result<SessionPage, QueryError> {
    let cursor = PageCursor::from_query(query)?;
    let limit = page::limit(query);
    let filter = Filter::new(query);
    let snapshot = connection.unchecked_transaction()?;
    let total = if filter.is_counted { counted(&snapshot, query)? } else { filter.count(&snapshot)? };
    let mut found = filter.page(&snapshot, cursor.as_ref(), limit + 1)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(ToString::to_string);
    let sessions = found.into_iter().filter_map(Found::readable).collect();
    Ok(SessionPage { sessions, total, next_cursor })
}

pub(super) fn session_count(connection: &Connection) -> Result<u64, StoreError> {
    let total: i64 =
        connection.prepare_cached("SELECT coalesce(sum(sessions), 0) FROM counts")?.query_row([], |row| row.get(0))?;
    Ok(count(total))
}

fn counted(connection: &Connection, query: &SessionQuery) -> Result<u64, StoreError> {
    let status = query.status.map(|status| status.as_str());
    let total: i64 = connection
        .prepare_cached(
            "SELECT coalesce(sum(sessions), 0) FROM counts WHERE archived = ?1 AND (?2 IS NULL OR status = ?2)",
        )?
        .query_row((query.archived.unwrap_or(false), status), |row| row.get(0))?;
    Ok(count(total))
}

/// A row of the page, read or not.
struct Found {
    cursor: PageCursor,
    view: Result<Session, StoreError>,
}

impl Found {
    fn readable(self) -> Option<Session> {
        // One damaged session must not hide all others; reading it says what is wrong.
        self.view.inspect_err(|error| tracing::error!(%error, "a session is left out of the list")).ok()
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cursor.fmt(f)
    }
}

struct Filter {
    conditions: String,
    values: Vec<Value>,
    is_counted: bool,
}

impl Filter {
    fn new(query: &SessionQuery) -> Self {
        let mut filter = Self { conditions: "s.archived = ?".to_owned(), values: Vec::new(), is_counted: true };
        filter.values.push(Value::Integer(query.archived.unwrap_or(false).into()));
        if let Some(status) = query.status {
            filter.and("s.status = ?", Value::Text(status.as_str().to_owned()));
        }
        if let Some(cwd) = &query.cwd {
            filter.and("s.cwd = ?", Value::Text(cwd.to_string_lossy().into_owned()));
            filter.is_counted = false;
        }
        match page::search_words(query) {
            None => {}
            Some(words) if words.is_empty() => {
                filter.conditions.push_str(" AND 0");
                filter.is_counted = false;
            }
            Some(words) => {
                filter.and(
                    "s.key IN (SELECT d.session FROM docs d JOIN logs l ON l.key = d.session
                     WHERE (d.seq = 0 OR d.seq >= l.first_seq)
                     AND d.id IN (SELECT rowid FROM search WHERE search MATCH ?))",
                    Value::Text(match_expression(&words)),
                );
                filter.is_counted = false;
            }
        }
        filter
    }

    fn and(&mut self, condition: &str, value: Value) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.push(value);
    }

    fn count(&self, connection: &Connection) -> Result<u64, StoreError> {
        let total: i64 = connection
            .prepare_cached(&format!("SELECT count(*) FROM sessions s WHERE {}", self.conditions))?
            .query_row(params_from_iter(&self.values), |row| row.get(0))?;
        Ok(count(total))
    }

    fn page(
        mut self,
        connection: &Connection,
        cursor: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        if let Some(cursor) = cursor {
            self.and("(s.updated_at, s.id) < (?, ?)", Value::Integer(cursor.updated_at.0));
            self.values.push(Value::Text(cursor.id.to_string()));
        }
        self.values.push(Value::Integer(int(limit as u64)));
        let sql = format!(
            "SELECT s.id, s.updated_at, s.view, l.first_seq, l.last_seq, s.key
             FROM sessions s CROSS JOIN logs l ON l.key = s.key
             WHERE {} ORDER BY s.updated_at DESC, s.id DESC LIMIT ?",
            self.conditions
        );
        let mut select = connection.prepare_cached(&sql)?;
        let mut rows = select.query(params_from_iter(&self.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            // An id that is none cannot be shown, nor can a cursor name it.
            let Ok(id) = id.parse::<SessionId>() else { continue };
            let (first, last): (i64, i64) = (row.get(3)?, row.get(4)?);
            let (first, last) = (Seq(count(first)), Seq(count(last)));
            let view = read::view_or_folded(connection, &id, row.get(5)?, &row.get::<_, String>(2)?, first, last);
            let cursor = PageCursor { updated_at: wharf_protocol::Timestamp(row.get(1)?), id };
            found.push(Found { cursor, view });
        }
        Ok(found)
    }
}

/// Each word as a quoted prefix: whatever the words are, this is no syntax error.
fn match_expression(words: &[String]) -> String {
    let quoted = |text: &str| format!("\"{}\"*", text.replace('"', "\"\""));
    let words = words.iter().map(|word| match page::apart(word) {
        Cow::Borrowed(word) => quoted(word),
        // As one token it stands in the index of texts from before characters were taken apart.
        Cow::Owned(apart) => format!("({} OR {})", quoted(&apart), quoted(word)),
    });
    words.collect::<Vec<_>>().join(" AND ")
}
