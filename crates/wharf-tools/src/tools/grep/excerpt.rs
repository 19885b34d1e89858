//! One line of a result: the whole of it, or what is around the match.

/// A longer line is cut.
const LINE_MAX_BYTES: usize = 500;
/// Of a cut line, what is shown before the match.
const BEFORE_BYTES: usize = 150;

/// `line`, or what is around the match at `position`, which only a long line is asked for. Where it is cut, it says so.
pub(super) fn of(line: &[u8], position: impl FnOnce() -> Option<(usize, usize)>) -> String {
    if line.len() <= LINE_MAX_BYTES {
        return String::from_utf8_lossy(line).into_owned();
    }
    let (start, end) = position().unwrap_or((0, 0));
    // What ends early enough is shown from the line's beginning.
    let from = if end <= LINE_MAX_BYTES { 0 } else { start.saturating_sub(BEFORE_BYTES) };
    let from = character_at(line, from.min(line.len() - LINE_MAX_BYTES));
    let window = &line[from..line.len().min(from + LINE_MAX_BYTES + 4)];
    let text = String::from_utf8_lossy(window);
    let cut = if window.len() > LINE_MAX_BYTES { text.floor_char_boundary(LINE_MAX_BYTES) } else { text.len() };
    let before = if from > 0 { format!("[line cut, from byte {}] ", from + 1) } else { String::new() };
    let after = if from + LINE_MAX_BYTES < line.len() { " [line cut]" } else { "" };
    format!("{before}{}{after}", &text[..cut])
}

/// The first start of a character from `at` on: a window that ends with the line must not end before it.
fn character_at(line: &[u8], at: usize) -> usize {
    let is_inside = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at..=at + 3).find(|at| !is_inside(at)).unwrap_or(at)
}

#[cfg(test)]
mod tests;
