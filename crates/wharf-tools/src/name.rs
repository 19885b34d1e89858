//! File names as tools print them, and back: what a tool prints, every tool takes.
//!
//! A name on Linux is any bytes without `/` and NUL; a result is text, line by line. So [`shown`] escapes what would end a line,
//! steer a terminal or is no UTF-8, and the backslash itself: two names never print alike. [`read`] takes exactly what [`shown`]
//! prints and nothing else. A model may also have a name from elsewhere, as it is (`git status`, a user), so a text with a
//! backslash has two readings: the printed one counts where there is such a file, else the text as it stands
//! (`workspace/spelling.rs`).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A name as one line of plain text, from which [`read`] gets it back.
pub(crate) fn shown(name: &[u8]) -> String {
    escaped(name, true)
}

/// A path of the workspace as results name it; the workspace itself is `.`.
pub(crate) fn of(rel: &Path) -> String {
    match rel.as_os_str().as_bytes() {
        b"" => ".".into(),
        bytes => shown(bytes),
    }
}

/// A path in a caller's own words, as one line of plain text: for errors that repeat it.
pub(crate) fn quoted(words: &str) -> String {
    judged(words.as_bytes())
}

/// A name as rules and questions have it: a backslash stands for itself there.
pub(crate) fn judged(name: &[u8]) -> String {
    escaped(name, false)
}

fn escaped(name: &[u8], with_backslash: bool) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_hidden(letter) || (letter == '\\' && with_backslash) {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Ends a line, steers a terminal, or turns the direction of what follows.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

/// The name that `text` is the printed form of. `None` where it is nobody's, or where the name is `text` itself.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    if !text.contains('\\') {
        return None;
    }
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        name.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let kind = rest.chars().next()?;
        rest = &rest[kind.len_utf8()..];
        match kind {
            '\\' => name.push(b'\\'),
            'n' => name.push(b'\n'),
            'r' => name.push(b'\r'),
            't' => name.push(b'\t'),
            'x' => {
                name.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = &rest[2..];
            }
            'u' => {
                let (digits, behind) = rest.strip_prefix('{')?.split_once('}')?;
                let letter = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                name.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind;
            }
            _ => return None,
        }
    }
    name.extend_from_slice(rest.as_bytes());
    // One spelling for each name: else `\x2e\x2e` would be another word for `..`.
    (shown(&name) == text).then_some(name)
}

#[cfg(test)]
mod tests;
