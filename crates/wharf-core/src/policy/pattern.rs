//! Patterns of rules, in which `*` stands for any text, also none.

/// Whether `pattern` covers the whole of `text`. Linear in the text for a given pattern.
pub(super) fn is_match(pattern: &str, text: &str) -> bool {
    covers(pattern, text, |_, _| true)
}

/// The same for a command that is allowed: a `*` behind a word stands for further words, so `ls*` covers `ls -l` and no `lsevil`.
/// Behind anything else (`cargo *`, `./bin/*`, `npm run test:*`) it stands for any text.
pub(super) fn is_match_by_words(pattern: &str, text: &str) -> bool {
    let ends_a_word =
        |part: &str| part.chars().next_back().is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    covers(pattern, text, |part, rest| !ends_a_word(part) || rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// `may_end` says of a part of the pattern that a `*` follows, and of the text behind its match, whether it may end there.
fn covers(pattern: &str, text: &str, may_end: impl Fn(&str, &str) -> bool) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    if !may_end(first, rest) {
        return false;
    }
    for part in parts {
        let Some(behind) = behind_first(part, rest, &may_end) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// What follows the first place of `part` in `text` where it may end. Nothing is lost by taking the first: a later one leaves less.
fn behind_first<'a>(part: &str, text: &'a str, may_end: impl Fn(&str, &str) -> bool) -> Option<&'a str> {
    let mut from = 0;
    while let Some(found) = text[from..].find(part) {
        let at = from + found;
        let behind = &text[at + part.len()..];
        if may_end(part, behind) {
            return Some(behind);
        }
        // A part with a place that may not end there is not empty.
        from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        if from > text.len() {
            return None;
        }
    }
    None
}

/// Whether a rule is about a tool: by its name, in which `*` stands for any text (`mcp__github__*`).
pub(super) fn names_tool(pattern: &str, name: &str) -> bool {
    is_match(pattern, name)
}

#[cfg(test)]
mod tests;
