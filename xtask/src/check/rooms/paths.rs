//! The paths in a Rust source that lead out of its module. Comments, texts and what is for tests only are left out.

use std::collections::BTreeMap;

/// A word or a sign, and the line that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A name below the crate's root, and where it is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) line: usize,
}

/// The words and signs of a source; `::` is one sign.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = text_literal(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token { text: rest[..word].to_owned(), line });
            word
        } else {
            let sign = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(Token { text: rest[..sign].to_owned(), line });
            }
            sign
        };
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    without_tests(tokens)
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the text or character that stands here, if one does. A lifetime is none.
fn text_literal(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']);
    let before = text.len() - body.len();
    if before > 1 {
        return None;
    }
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inner = raw[hashes + 1..].find(&end)?;
            return Some(before + 1 + hashes + 1 + inner + end.len());
        }
    }
    let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    if quote == '\'' {
        let mut inner = body[1..].chars();
        let first = inner.next()?;
        if first != '\\' {
            // `'a'`, but not `'a` or `'static`.
            return (inner.next() == Some('\'')).then(|| before + 2 + first.len_utf8());
        }
    }
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(before + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// Leaves out every item that is marked `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let is_mark = tokens[at..].iter().map(|token| token.text.as_str()).take(MARK.len()).eq(MARK);
        if is_mark {
            at = end_of_item(&tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Behind the `;` or the block that ends an item.
fn end_of_item(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The names below the crate's root that a source of `module` uses. In the root itself a room's name is enough.
pub(super) fn leading_paths(tokens: &[Token], module: &[String], rooms: &[String]) -> Vec<Named> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    let depths = inner_modules(tokens);
    let mut at = 0;
    while at < tokens.len() {
        let begins = at == 0 || text(at - 1) != "::";
        if !begins || text(at + 1) != "::" {
            at += 1;
            continue;
        }
        match text(at) {
            "crate" => found.extend(heads(tokens, at + 2)),
            "super" => {
                let mut up = 1;
                while text(at + 2 * up) == "super" && text(at + 2 * up + 1) == "::" {
                    up += 1;
                }
                // Out of the room, and so to the root.
                if !module.is_empty() && up == module.len() + depths[at] {
                    found.extend(heads(tokens, at + 2 * up));
                }
            }
            name if module.is_empty() && rooms.iter().any(|room| room == name) && !is_passed_on(tokens, at) => {
                found.push(Named { name: name.to_owned(), line: tokens[at].line });
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// How many modules within this file each token lies in.
fn inner_modules(tokens: &[Token]) -> Vec<usize> {
    let mut depths = Vec::with_capacity(tokens.len());
    // For each open brace, whether it is a module's.
    let mut braces = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => braces.push(at >= 2 && tokens[at - 2].text == "mod"),
            "}" => drop(braces.pop()),
            _ => {}
        }
        depths.push(braces.iter().filter(|is_module| **is_module).count());
    }
    depths
}

/// The first names of a path's rest, or of each branch of its `{...}`.
fn heads(tokens: &[Token], from: usize) -> Vec<Named> {
    let Some(first) = tokens.get(from) else { return Vec::new() };
    if first.text != "{" {
        return vec![Named { name: first.text.clone(), line: first.line }];
    }
    let (mut found, mut depth, mut is_head) = (Vec::new(), 0_usize, true);
    for token in &tokens[from..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            "," if depth == 1 => is_head = true,
            name if depth == 1 && is_head => {
                found.push(Named { name: name.to_owned(), line: token.line });
                is_head = false;
            }
            _ => {}
        }
    }
    found
}

/// Whether the path that begins here is one of a `pub use`.
fn is_passed_on(tokens: &[Token], at: usize) -> bool {
    let before = tokens[..at].iter().rev().map(|token| token.text.as_str());
    let statement: Vec<&str> = before.take_while(|text| !matches!(*text, ";" | "}")).collect();
    statement.contains(&"use") && statement.contains(&"pub")
}

/// What a root passes on, and which room each name comes from.
pub(super) fn passed_on(tokens: &[Token], rooms: &[String]) -> BTreeMap<String, String> {
    let mut homes = BTreeMap::new();
    for at in 0..tokens.len() {
        let is_room = rooms.iter().any(|room| *room == tokens[at].text);
        if !is_room || !is_passed_on(tokens, at) || tokens.get(at + 1).is_none_or(|next| next.text != "::") {
            continue;
        }
        let mut words = tokens[at + 2..].iter().take_while(|token| token.text != ";").peekable();
        while let Some(word) = words.next() {
            // Only the last name of each branch is a name that others see.
            let is_name = word.text.starts_with(|c: char| c.is_alphabetic() || c == '_') && word.text != "as";
            if is_name && words.peek().is_none_or(|next| matches!(next.text.as_str(), "," | "}" | "as")) {
                homes.insert(word.text.clone(), tokens[at].text.clone());
            }
        }
    }
    homes
}
