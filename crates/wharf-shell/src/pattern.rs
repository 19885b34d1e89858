//! Patterns of words in which `*` stands for any text, against texts of which parts are not known.

use crate::UNKNOWN;

/// More than so many steps are not taken: then it may be.
const STEPS_MAX: usize = 4_000_000;

/// Whether some text in place of what is not known in `text` would be covered by `pattern`.
#[must_use]
pub fn may_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    if pattern.len().saturating_mul(text.len()) > STEPS_MAX {
        return true;
    }
    // For the pattern up to each place: whether it and the text so far have a text in common.
    let mut row: Vec<bool> = Vec::with_capacity(pattern.len() + 1);
    row.push(true);
    for letter in &pattern {
        row.push(row[row.len() - 1] && *letter == '*');
    }
    for letter in &text {
        let mut next = vec![*letter == UNKNOWN && row[0]];
        for (at, wanted) in pattern.iter().enumerate() {
            next.push(match (*wanted == '*', *letter == UNKNOWN) {
                (true, _) => next[at] || row[at + 1] || row[at],
                (false, true) => next[at] || row[at + 1],
                (false, false) => row[at] && wanted == letter,
            });
        }
        row = next;
    }
    row[pattern.len()]
}
