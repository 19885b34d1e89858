//! JSON as models and their servers really write it.
//!
//! What is valid is read as `serde_json` reads it. What is not is repaired where the mistake has one meaning: raw control characters in a
//! string, halves of a character (lone or cut in two), bytes that are no UTF-8, a byte-order mark, `NaN` and `Infinity`. Arguments of a
//! call may also begin with an empty object, be sent again, or carry marks of a chat template ([`object`]). Everything else is refused with the place
//! and the characters there made visible.
//!
//! A reader of a stream keeps halves until the other one comes: [`Document`] marks them, [`Joined`] puts them together. A reader of whole
//! messages takes [`from_slice`], where a lone half becomes U+FFFD.

mod repair;

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::marks;
use crate::nesting::{self, Bounds, TooMuch};
use repair::{Repaired, half, is_marked, repaired};

/// Levels of lists and objects in foreign JSON; `serde_json` takes no more. What is deeper is refused before any reader sees it, also where
/// a reader would pass over it.
pub const DEPTH_MAX: usize = 127;

/// Objects that the arguments of one call may hold one after the other: early ones and repetitions. With more the call is refused.
const OBJECTS_MAX: usize = 256;

/// So much of the text before and after a mistake is shown, in characters.
const BEFORE_CHARS: usize = 24;
const AFTER_CHARS: usize = 16;

/// JSON that no reader can be given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Valid as far as it goes.
    #[error("it ends before the JSON does")]
    Incomplete,
    /// What is wrong and where, on one line, with nothing hidden in it.
    #[error("{0}")]
    Malformed(String),
    #[error("it is {0}")]
    TooMuch(#[from] TooMuch),
}

/// One piece of JSON of a stream.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a [u8],
    repaired: OnceCell<Repaired>,
}

/// What a [`Document`] holds.
#[derive(Debug)]
pub struct Read<T> {
    pub value: T,
    /// Its texts may hold marked halves of characters: they go through [`Joined`], or [`settle`].
    pub has_halves: bool,
}

impl<'a> Document<'a> {
    pub fn new(text: &'a [u8], bounds: Bounds) -> Result<Self, TooMuch> {
        nesting::json(text, bounds)?;
        Ok(Self { text, repaired: OnceCell::new() })
    }

    /// Reads it; what is valid is not copied.
    pub fn read<'s, T: Deserialize<'s>>(&'s self) -> Result<Read<T>, Unreadable> {
        match serde_json::from_slice(self.text) {
            Ok(value) => return Ok(Read { value, has_halves: false }),
            Err(error) if error.is_eof() => return Err(Unreadable::Incomplete),
            Err(_) => {}
        }
        let Repaired { text, has_halves } = self.repaired.get_or_init(|| repaired(self.text));
        match serde_json::from_str(text) {
            Ok(value) => Ok(Read { value, has_halves: *has_halves }),
            Err(error) if error.is_eof() => Err(Unreadable::Incomplete),
            Err(error) => Err(Unreadable::Malformed(reason(text, &error))),
        }
    }
}

/// Reads a whole message.
pub fn from_slice<T: DeserializeOwned>(text: &[u8], bounds: Bounds) -> Result<T, Unreadable> {
    nesting::json(text, bounds)?;
    match serde_json::from_slice(text) {
        Ok(value) => return Ok(value),
        Err(error) if error.is_eof() => return Err(Unreadable::Incomplete),
        Err(_) => {}
    }
    read_whole(&without_halves(repaired(text)))
}

fn read_whole<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| match error.is_eof() {
        true => Unreadable::Incomplete,
        false => Unreadable::Malformed(reason(text, &error)),
    })
}

fn without_halves(Repaired { text, has_halves }: Repaired) -> String {
    if has_halves { Joined::default().whole(&text) } else { text }
}

/// Text that comes in pieces, with the halves of a character in two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    high: Option<u16>,
}

impl Joined {
    /// What the next piece adds. `has_halves` as [`Read`] tells it.
    pub fn add<'p>(&mut self, piece: &'p str, has_halves: bool) -> Cow<'p, str> {
        if piece.is_empty() || (!has_halves && self.high.is_none()) {
            return Cow::Borrowed(piece);
        }
        let mut out = String::with_capacity(piece.len() + 3);
        for letter in piece.chars() {
            match half(letter).filter(|_| has_halves) {
                Some(high @ 0xd800..=0xdbff) => {
                    out.push_str(self.end());
                    self.high = Some(high);
                }
                Some(low) => out.push(self.high.take().map_or(char::REPLACEMENT_CHARACTER, |high| pair(high, low))),
                None => {
                    out.push_str(self.end());
                    out.push(letter);
                }
            }
        }
        Cow::Owned(out)
    }

    /// What is left when nothing more comes.
    pub fn end(&mut self) -> &'static str {
        if self.high.take().is_some() { "\u{fffd}" } else { "" }
    }

    fn whole(mut self, text: &str) -> String {
        let mut whole = self.add(text, true).into_owned();
        whole.push_str(self.end());
        whole
    }
}

fn pair(high: u16, low: u16) -> char {
    let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(low) - 0xdc00);
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Puts the halves in the texts of a value together; lone ones become U+FFFD.
pub fn settle(value: &mut Value) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.chars().any(is_marked) => *text = Joined::default().whole(text),
            Value::Array(list) => open.extend(list.iter_mut()),
            Value::Object(object) => open.extend(object.values_mut()),
            _ => {}
        }
    }
}

/// The arguments of a call, once all of their text has come.
///
/// Servers send an empty object before the real one, or the whole once more at the end: the fullest counts where the others are only
/// earlier states of it. Two objects that differ are not one call, and are refused.
pub fn object(text: &str, bounds: Bounds) -> Result<Map<String, Value>, Unreadable> {
    nesting::json(text.as_bytes(), bounds)?;
    let text = marks::without_leading(text.trim_start_matches('\u{feff}').trim());
    let values = match values(text) {
        Ok(values) => values,
        Err(Unreadable::Incomplete) => return Err(Unreadable::Incomplete),
        Err(_) => values(&without_halves(repaired(text.as_bytes())))?,
    };
    let mut chosen: Option<Map<String, Value>> = None;
    for value in values {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => Map::new(),
            Value::String(text) if text.trim().is_empty() => Map::new(),
            // Encoded twice.
            Value::String(text) => {
                nesting::json(text.as_bytes(), bounds)?;
                match read_whole(&without_halves(repaired(text.as_bytes())))? {
                    Value::Object(object) => object,
                    other => return Err(no_object(&other)),
                }
            }
            other => return Err(no_object(&other)),
        };
        chosen = Some(match chosen {
            None => object,
            Some(early) if is_early(&early, &object) => object,
            Some(full) if is_early(&object, &full) => full,
            Some(_) => {
                let what = "it is two different objects, one after the other: make one call for each".to_owned();
                return Err(Unreadable::Malformed(what));
            }
        });
    }
    Ok(chosen.unwrap_or_default())
}

/// The values in `text`, one after the other. What a chat template leaves behind the last one is passed over.
fn values(text: &str) -> Result<Vec<Value>, Unreadable> {
    // Only behind a whole object: a bare word needs something between it and the next value.
    let text = match text.strip_prefix("null") {
        Some(rest) if rest.trim_start().starts_with('{') => rest,
        _ => text,
    };
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    while let Some(value) = stream.next() {
        match value {
            Ok(_) if values.len() == OBJECTS_MAX => {
                return Err(Unreadable::Malformed(format!("it is more than {OBJECTS_MAX} values")));
            }
            Ok(value) => values.push(value),
            Err(_) if !values.is_empty() && marks::begins(&text[stream.byte_offset()..]) => break,
            Err(error) if error.is_eof() => return Err(Unreadable::Incomplete),
            Err(error) => return Err(Unreadable::Malformed(reason(text, &error))),
        }
    }
    Ok(values)
}

fn no_object(value: &Value) -> Unreadable {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Unreadable::Malformed(format!("it is {kind}"))
}

/// Whether `early` says nothing that `full` does not say.
fn is_early(early: &Map<String, Value>, full: &Map<String, Value>) -> bool {
    early.iter().all(|(name, value)| match (value, full.get(name)) {
        (value, Some(other)) if value == other => true,
        (Value::String(start), Some(Value::String(whole))) => whole.starts_with(start.as_str()),
        (Value::Null, _) => true,
        (Value::String(text), _) => text.is_empty(),
        (Value::Array(list), _) => list.is_empty(),
        (Value::Object(object), _) => object.is_empty(),
        _ => false,
    })
}

/// What `error` says, and the text around the place that it names.
fn reason(text: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let at = text.floor_char_boundary((line_start + error.column()).saturating_sub(1).min(text.len()));
    let (before, after) = text.split_at(at);
    let number = before.chars().count() + 1;
    let skipped = number.saturating_sub(1 + BEFORE_CHARS);
    let before: String = before.chars().skip(skipped).collect();
    let mut rest = after.chars();
    let Some(found) = rest.next() else {
        return format!("{said} at its end, after `{}`", visible(&before));
    };
    let after: String = rest.take(AFTER_CHARS).collect();
    format!(
        "{said} at character {number}: `{}` between `{}` and `{}`",
        visible(found.encode_utf8(&mut [0; 4])),
        visible(&before),
        visible(&after)
    )
}

/// Text on one line, with what cannot be seen escaped as JSON escapes it.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if is_hidden(letter) => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Steers a terminal, turns the direction of text, or is not seen at all.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
