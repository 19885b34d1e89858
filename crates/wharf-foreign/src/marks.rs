//! Marks of chat templates that leak into what a model says: `<|channel|>`, `functions.`, `</tool_call>`, code fences.

use std::borrow::Cow;

/// Marks at one end of a text that are cut off; what follows them is the text.
const MARKS_MAX: usize = 8;

/// How templates name the place of their functions, before the function's own name.
const PREFIXES: [&str; 10] = [
    "functions.",
    "functions:",
    "functions/",
    "function.",
    "function:",
    "tools.",
    "tools:",
    "tool.",
    "default_api.",
    "default_api:",
];

/// The name of a tool that a model meant.
///
/// A name that is known stays what it is. Otherwise the prefixes and marks of chat templates are cut off; so they are where the
/// rest is not known either, so that nobody is shown them.
#[must_use]
pub fn tool_name<'a>(raw: &'a str, is_known: impl Fn(&str) -> bool) -> Cow<'a, str> {
    let raw = raw.trim();
    if is_known(raw) {
        return Cow::Borrowed(raw);
    }
    let mut name = without_leading(raw);
    // `commentary to=functions.read_file <|constrain|>json`
    if let Some(at) = name.find("to=") {
        name = &name[at + "to=".len()..];
    }
    let end = name.find(|letter: char| letter == '<' || letter.is_whitespace()).unwrap_or(name.len());
    name = name[..end].trim_matches(|letter| matches!(letter, '"' | '\'' | '`'));
    for _ in 0..MARKS_MAX {
        if is_known(name) {
            return Cow::Borrowed(name);
        }
        let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) else { break };
        name = rest;
    }
    name = name.strip_suffix("()").unwrap_or(name);
    // `read_file:0`: the number of the call behind the name.
    if let Some((start, number)) = name.rsplit_once(':')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        name = start;
    }
    // Nothing but marks: what came is more use than nothing.
    Cow::Borrowed(if name.is_empty() { raw } else { name })
}

/// Whether nothing of a model's own begins here.
pub(crate) fn begins(text: &str) -> bool {
    let text = text.trim_start();
    ["<|", "</", "```", "[/"].iter().any(|mark| text.starts_with(mark))
}

/// What follows the marks at the start of `text`.
pub(crate) fn without_leading(text: &str) -> &str {
    let mut text = text;
    for _ in 0..MARKS_MAX {
        let trimmed = text.trim_start();
        text = if let Some(rest) = trimmed.strip_prefix("<|") {
            let Some((_, rest)) = rest.split_once("|>") else { return trimmed };
            rest
        } else if let Some(rest) = trimmed.strip_prefix("```") {
            rest.strip_prefix("json").unwrap_or(rest)
        } else {
            return trimmed;
        };
    }
    text
}

#[cfg(test)]
mod tests;
