//! Pages of sessions: the cursor between them and the words of a search.

use std::fmt;
use std::str::FromStr;

use wharf_protocol::rest::SessionQuery;
use wharf_protocol::{Session, SessionId, Timestamp};

use crate::QueryError;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

/// Most words of a search that count.
const MAX_WORDS: usize = 16;

/// The last session of a page; the next page begins below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub updated_at: Timestamp,
    pub id: SessionId,
}

impl Cursor {
    pub fn of(session: &Session) -> Self {
        Self { updated_at: session.updated_at, id: session.id.clone() }
    }

    pub fn from_query(query: &SessionQuery) -> Result<Option<Self>, QueryError> {
        query.cursor.as_deref().map(str::parse).transpose()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.updated_at.0, self.id)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let (time, id) = text.split_once('.').ok_or(QueryError::BadCursor)?;
        let updated_at = time.parse().map(Timestamp).map_err(|_| QueryError::BadCursor)?;
        let id = id.parse().map_err(|_| QueryError::BadCursor)?;
        Ok(Self { updated_at, id })
    }
}

pub(crate) fn limit(query: &SessionQuery) -> usize {
    query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
}

/// The words searched for; `None` where nothing is searched for. An empty list matches nothing: the text had no word in it.
pub(crate) fn search_words(query: &SessionQuery) -> Option<Vec<String>> {
    let text = query.q.as_deref().filter(|text| !text.trim().is_empty())?;
    Some(words(text).take(MAX_WORDS).collect())
}

/// Runs of letters and digits, in lower case.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_foreign_text_is_refused() {
        let cursor = Cursor { updated_at: Timestamp(-5), id: "session-a.b".parse().unwrap() };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for text in ["", "5", "x.session", "5.", "5.-no", "99999999999999999999.s", "5.a b"] {
            assert!(matches!(text.parse::<Cursor>(), Err(QueryError::BadCursor)), "{text}");
        }
    }
}
