//! How long and how deep foreign text is, found without recursion.

use serde_json::Value;
use thiserror::Error;

/// What a piece of foreign text may measure at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In bytes.
    pub length: usize,
    /// Open brackets of every kind at one time.
    pub depth: usize,
}

/// Foreign text that no library is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooMuch {
    #[error("longer than {0} bytes")]
    Length(usize),
    #[error("nested deeper than {0} levels")]
    Depth(usize),
}

/// Looks at JSON before a reader does. Of text that is no JSON the answer is at least as strict as a reader's own look.
pub fn json(text: &[u8], bounds: Bounds) -> Result<(), TooMuch> {
    if text.len() > bounds.length {
        return Err(TooMuch::Length(bounds.length));
    }
    let mut depth = 0_usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                // To the end of the string; brackets in it are text.
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > bounds.depth {
                    return Err(TooMuch::Depth(bounds.depth));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// How deep a value that goes onto a log may nest. Readers of JSON stop at 127 levels, and events, frames, pages and exports lay
/// levels of their own around it: a value that was just readable would make a log that nobody can read back.
pub const LOGGED_DEPTH: usize = 64;

/// Looks at a value that is to go onto a log.
pub fn logged(value: &Value) -> Result<(), TooMuch> {
    let mut left = vec![(value, 0_usize)];
    while let Some((value, above)) = left.pop() {
        let depth = above + 1;
        let is_container = matches!(value, Value::Array(_) | Value::Object(_));
        if is_container && depth > LOGGED_DEPTH {
            return Err(TooMuch::Depth(LOGGED_DEPTH));
        }
        match value {
            Value::Array(items) => left.extend(items.iter().map(|item| (item, depth))),
            Value::Object(fields) => left.extend(fields.values().map(|field| (field, depth))),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
