//! The demo model's words. Whatever they say of the project comes from a tool's result.

use std::fmt::Write;
use std::sync::Arc;

use wharf_protocol::{Message, Role};

/// Longest quotation of a tool's result.
const MAX_LINES: usize = 30;
const MAX_CHARS: usize = 3_000;

/// Prompts that a summary names.
const MAX_PROMPTS: usize = 20;

pub(super) fn help() -> String {
    "I am Wharf's demo model: no language model, a few fixed skills. I did not understand that. I can:\n\n\
     - tell what this project is, and list files\n\
     - read FILE\n\
     - search for WORD\n\
     - create FILE with \"CONTENT\"\n\
     - replace \"A\" with \"B\" in FILE\n\
     - run `COMMAND`\n\n\
     and do several of these, with \"then\" between them. For a real model, set a key such as OPENAI_API_KEY, or \
     start a local model server such as Ollama."
        .to_owned()
}

pub(super) fn place(path: &str) -> String {
    if path == "." { "the working directory".to_owned() } else { format!("`{path}`") }
}

/// A tool's result, shortened, in a fence that its content does not close.
pub(super) fn block(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() {
        return "(nothing)".to_owned();
    }
    let mut kept: String = text.lines().take(MAX_LINES).collect::<Vec<_>>().join("\n");
    if let Some((end, _)) = kept.char_indices().nth(MAX_CHARS) {
        kept.truncate(end);
    }
    let cut = kept.len() < text.len();
    let mut fence = "```".to_owned();
    while kept.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}\n{kept}\n{fence}{}", if cut { "\n(and more)" } else { "" })
}

pub(super) fn found(what: &str, result: &str) -> String {
    if result.trim().is_empty() {
        format!("I found nothing for \"{what}\".")
    } else {
        format!("For \"{what}\" I found:\n\n{}", block(result))
    }
}

pub(super) fn failed(tool_name: &str, result: &str) -> String {
    format!("The tool `{tool_name}` did not do it:\n\n{}", block(result))
}

pub(super) fn overview(listing: &str, about: Option<(&str, &str)>) -> String {
    let mut text = String::new();
    if let Some((file, content)) = about {
        let (heading, paragraph) = gist(content);
        let _ = match (heading, paragraph) {
            (Some(heading), Some(paragraph)) => write!(text, "**{heading}**, says `{file}`: {paragraph}\n\n"),
            (Some(one), None) | (None, Some(one)) => write!(text, "`{file}` says: {one}\n\n"),
            (None, None) => write!(text, "`{file}` says nothing.\n\n"),
        };
    }
    let _ = write!(text, "The working directory holds:\n\n{}", block(listing));
    text.push_str("\n\nI am Wharf's demo model and only quote; for more than that, set up a real one.");
    text
}

/// Whether a listing names a file, in whatever columns it puts around the names.
pub(super) fn names_file(listing: &str, name: &str) -> bool {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | '*');
    listing.lines().any(|line| line.split(is_end).any(|word| word.trim_start_matches("./") == name))
}

/// The heading and the first paragraph of a text; of a manifest, its name and description.
fn gist(content: &str) -> (Option<String>, Option<String>) {
    let lines: Vec<&str> = without_line_numbers(content);
    let value = |key: &str| {
        let is_key = |line: &&&str| line.trim_start().trim_start_matches('"').starts_with(key);
        let line = lines.iter().find(|line| is_key(line) && line.contains(['=', ':']))?;
        let (_, value) = line.split_once(['=', ':'])?;
        let value = value.trim().trim_end_matches(',').trim_matches('"');
        (!value.is_empty() && !value.starts_with('{')).then(|| value.to_owned())
    };
    let first = lines.iter().map(|line| line.trim()).find(|line| !line.is_empty()).unwrap_or_default();
    if first.starts_with(['{', '[']) && !first.starts_with("[!") {
        return (value("name"), value("description"));
    }
    let heading = lines.iter().find_map(|line| line.strip_prefix("# ")).map(|line| line.trim().to_owned());
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(['#', '!', '[', '<', '-', '=', '`', '|']);
    let from = lines.iter().position(|line| is_prose(line.trim()));
    let paragraph = from.map(|from| {
        let lines = lines[from..].iter().map(|line| line.trim()).take_while(|line| !line.is_empty());
        let paragraph = lines.collect::<Vec<_>>().join(" ");
        paragraph.chars().take(MAX_CHARS / 4).collect()
    });
    (heading, paragraph)
}

/// Tools that read files put numbers before the lines.
fn without_line_numbers(content: &str) -> Vec<&str> {
    let strip = |line: &'_ str| -> Option<usize> {
        let digits = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        let number = line.trim_start().len() - digits.len();
        let mut rest = digits.chars();
        match rest.next() {
            Some('\t' | ':' | '|' | '\u{2192}') if number > 0 => {
                let rest = rest.as_str();
                Some(line.len() - rest.strip_prefix(' ').unwrap_or(rest).len())
            }
            _ => None,
        }
    };
    let filled = content.lines().filter(|line| !line.trim().is_empty());
    let numbered = content.lines().next().is_some_and(|line| strip(line).is_some())
        && filled.clone().filter(|line| strip(line).is_some()).count() * 2 > filled.count();
    content.lines().map(|line| if numbered { strip(line).map_or(line, |at| &line[at..]) } else { line }).collect()
}

/// For compaction: what the user asked for, in the user's words.
pub(super) fn conversation(messages: &[Arc<Message>]) -> String {
    let mut text = "Summary by Wharf's demo model, which can only quote. The user asked, in this order:".to_owned();
    let prompts: Vec<&Arc<Message>> = messages.iter().filter(|message| message.role == Role::User).collect();
    for message in &prompts[prompts.len().saturating_sub(MAX_PROMPTS)..] {
        let prompt = super::said(message);
        let line: String = prompt.lines().next().unwrap_or_default().chars().take(200).collect();
        let _ = write!(text, "\n- {line}");
    }
    let calls = messages.iter().map(|message| message.tool_calls.len()).sum::<usize>();
    let _ = write!(text, "\n{calls} tool calls were made.");
    text
}
