//! Foreign text, with what hides in it made visible.

/// Text of several lines: tabs and line ends stay, other control characters and characters without a form are escaped.
pub(crate) fn text(text: &str) -> String {
    let is_plain = |letter: char| matches!(letter, '\n' | '\t') || !is_hidden(letter);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 32);
    // A line end of two characters is one.
    for letter in text.replace("\r\n", "\n").chars() {
        if is_plain(letter) {
            out.push(letter);
        } else {
            out.extend(letter.escape_unicode());
        }
    }
    out
}

/// The same on one line, and no longer than so many bytes.
pub(crate) fn line(text: &str, max_bytes: usize) -> String {
    let mut out = String::new();
    for letter in text.trim().chars() {
        if is_hidden(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
        if out.len() > max_bytes {
            break;
        }
    }
    shortened(out, max_bytes)
}

pub(crate) fn shortened(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

/// Steers a terminal, turns the direction of text, or is not seen at all.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
