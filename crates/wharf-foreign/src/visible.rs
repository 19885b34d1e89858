//! Foreign text where people read it: what hides in it, steers a terminal or turns the direction of text is made visible.
//!
//! This is the one escaped form of Wharf's: questions, titles and previews, on every transport and in the terminal.

/// Longest line of a text that is shown in part, in characters; its end is shown as well.
const LINE_MAX_CHARS: usize = 400;

/// Text of several lines: tabs and line ends stay, other control characters and characters without a form are escaped.
#[must_use]
pub fn text(text: &str) -> String {
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
#[must_use]
pub fn line(text: &str, max_bytes: usize) -> String {
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

/// The beginning, no longer than so many bytes.
#[must_use]
pub fn shortened(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

/// Head and tail of a text, each line escaped: at most `max_lines` lines with at most 400 characters each. What is left out is counted in
/// its place. The end of a command matters as much as its beginning.
#[must_use]
pub fn head_and_tail(text: &str, max_lines: usize) -> Vec<String> {
    let all: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let max_lines = max_lines.max(3);
    if all.len() <= max_lines {
        return all.into_iter().map(long_line).collect();
    }
    let tail = (max_lines - 1) / 3;
    let head = max_lines - 1 - tail;
    let left_out = all.len() - head - tail;
    let mut lines: Vec<String> = all[..head].iter().copied().map(long_line).collect();
    lines.push(format!("[{left_out} lines are not shown]"));
    lines.extend(all[all.len() - tail..].iter().copied().map(long_line));
    lines
}

/// A line, escaped; of a long one head and tail.
fn long_line(line: &str) -> String {
    let count = line.chars().count();
    if count <= LINE_MAX_CHARS {
        return escaped(line.chars());
    }
    let (head, tail) = (LINE_MAX_CHARS * 2 / 3, LINE_MAX_CHARS / 3);
    let left_out = count - head - tail;
    let (first, last) = (escaped(line.chars().take(head)), escaped(line.chars().skip(count - tail)));
    format!("{first} [{left_out} characters are not shown] {last}")
}

fn escaped(letters: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for letter in letters {
        if is_hidden(letter) && letter != '\t' {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Steers a terminal, turns the direction of text, or is not seen at all.
#[must_use]
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
