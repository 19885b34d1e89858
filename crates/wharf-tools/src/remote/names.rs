//! Names that every provider takes: letters, digits, `_` and `-`, at most 64 of them.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

const NAME_MAX: usize = 64;
/// Of a server's part: the tool's own name has to fit beside it.
const SERVER_MAX: usize = 24;

/// The servers' parts of their tools' names, in the servers' order. Without `__`, so that the end of a part is plain; two
/// that would be the same are told apart by a hash of what they were called.
pub fn server_parts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    let plain: Vec<String> = names.iter().map(|name| server_part(name)).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for part in &plain {
        *count.entry(part).or_default() += 1;
    }
    let distinct = |(name, part): (&&str, &String)| {
        let is_itself = **name == *part;
        if count.get(part.as_str()) == Some(&1) || is_itself { part.clone() } else { marked(part, name, SERVER_MAX) }
    };
    names.iter().zip(&plain).map(distinct).collect()
}

fn server_part(name: &str) -> String {
    let mut part = String::new();
    for letter in sanitised(name).chars() {
        if letter != '_' || !part.ends_with('_') {
            part.push(letter);
        }
    }
    let part = part.trim_matches('_');
    if part.is_empty() {
        return marked("server", name, SERVER_MAX);
    }
    if part.len() > SERVER_MAX { marked(part, name, SERVER_MAX) } else { part.to_owned() }
}

/// The names of somebody's tools behind a prefix, in the order of `tools`, which holds no name twice. One that had to be
/// changed and would then be another's is told apart by a hash of what it was.
pub fn tool_names(prefix: &str, tools: &[&str]) -> Vec<String> {
    let room = NAME_MAX - prefix.len();
    let fitted = |tool: &str| {
        let plain = sanitised(tool);
        if plain.is_empty() || plain.len() > room { marked(&plain, tool, room) } else { plain }
    };
    let plain: Vec<String> = tools.iter().map(|tool| fitted(tool)).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for name in &plain {
        *count.entry(name).or_default() += 1;
    }
    let distinct = |(tool, name): (&&str, &String)| {
        let is_itself = **tool == *name;
        let name =
            if count.get(name.as_str()) == Some(&1) || is_itself { name.clone() } else { marked(name, tool, room) };
        format!("{prefix}{name}")
    };
    tools.iter().zip(&plain).map(distinct).collect()
}

fn sanitised(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' }).collect()
}

/// `name`, ended by a hash of `original`.
fn marked(name: &str, original: &str, max: usize) -> String {
    let hash = Sha256::digest(original.as_bytes());
    let mark: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let kept = &name[..name.len().min(max - mark.len() - 1)];
    format!("{kept}_{mark}")
}
