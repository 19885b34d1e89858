//! Pages of sessions: the cursor between them and the words of a search.

use std::borrow::Cow;
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
pub(crate) struct PageCursor {
    pub updated_at: Timestamp,
    pub id: SessionId,
}

impl PageCursor {
    pub fn of(session: &Session) -> Self {
        Self { updated_at: session.updated_at, id: session.id.clone() }
    }

    pub fn from_query(query: &SessionQuery) -> Result<Option<Self>, QueryError> {
        query.cursor.as_deref().map(str::parse).transpose()
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.updated_at.0, self.id)
    }
}

impl FromStr for PageCursor {
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

/// The text with a space around each character of a script that writes no spaces between words. There every character is a token
/// of the index, and a word that is looked for is a run of tokens, wherever in the text it stands.
pub(crate) fn apart(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unspaced) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_unspaced(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Chinese and Japanese writing, Thai, Lao, Khmer and Burmese.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{312f}' // Hiragana, Katakana, Bopomofo
        | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' // Katakana of half width
        | '\u{20000}'..='\u{3ffff}')
}

/// Runs of letters and digits, in lower case.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_unspaced_scripts_stand_alone() {
        for (text, tokens) in [
            ("修复解析器 bug", &["修", "复", "解", "析", "器", "bug"][..]),
            ("日本語のテスト", &["日", "本", "語", "の", "テ", "ス", "ト"]),
            ("Ünï code", &["ünï", "code"]),
            ("v2版本", &["v2", "版", "本"]),
            ("한국어 제목", &["한국어", "제목"]),
        ] {
            assert_eq!(words(&apart(text)).collect::<Vec<_>>(), tokens, "{text}");
        }
    }

    #[test]
    fn a_cursor_reads_back_and_foreign_text_is_refused() {
        let cursor = PageCursor { updated_at: Timestamp(-5), id: "session-a.b".parse().unwrap() };
        assert_eq!(cursor.to_string().parse::<PageCursor>().unwrap(), cursor);
        for text in ["", "5", "x.session", "5.", "5.-no", "99999999999999999999.s", "5.a b"] {
            assert!(matches!(text.parse::<PageCursor>(), Err(QueryError::BadCursor)), "{text}");
        }
    }
}
