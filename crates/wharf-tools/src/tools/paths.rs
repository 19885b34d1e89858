//! The globs of calls: patterns of paths, also of paths that are written with a pattern's own characters.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use wharf_foreign::pattern::GLOB;
use wharf_protocol::ToolError;

/// Which paths a glob is about, relative to the directory of a search. Without a `/` it is about names at any depth.
#[derive(Debug)]
pub(super) struct Paths {
    set: GlobSet,
}

impl Paths {
    pub(super) fn new(glob: &str) -> Result<Self, ToolError> {
        let refusal = |problem: &str| {
            let text: String = glob.chars().take(200).collect();
            ToolError::Failed(format!(
                "{text:?} is not a usable glob: {problem}. Examples: *.rs, src/**/*.ts, **/{{test,spec}}_*.py"
            ))
        };
        if glob.trim().is_empty() {
            return Err(refusal("it is empty"));
        }
        GLOB.check(glob).map_err(|error| refusal(&error.to_string()))?;
        let text = glob.strip_prefix("./").unwrap_or(glob);
        let (before, text) = if text.contains('/') { ("", text.trim_start_matches('/')) } else { ("**/", text) };
        let build = |text: &str| GlobBuilder::new(&format!("{before}{text}")).literal_separator(true).build();
        let mut set = GlobSetBuilder::new();
        set.add(build(&with_literal_classes(text)).map_err(|error| refusal(&error.kind().to_string()))?);
        // `app/[id]/{a,b}.ts` may be a pattern, a path as it is written, or a pattern whose braces are parts of names.
        for reading in [with_literal_classes(&escaped(text, "{},")), escaped(text, "[]{},*?\\")] {
            if let Ok(glob) = build(&reading) {
                set.add(glob);
            }
        }
        // A set, as a single matcher panics where its pattern is too large.
        set.build().map(|set| Self { set }).map_err(|error| refusal(&error.kind().to_string()))
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.set.is_match(path)
    }
}

/// `glob` with the characters `of` taken literally. What is escaped already stays so, unless the backslash is one of them.
fn escaped(glob: &str, of: &str) -> String {
    let mut out = String::with_capacity(glob.len() + 8);
    let mut letters = glob.chars();
    while let Some(letter) = letters.next() {
        if of.contains(letter) {
            out.push('\\');
        }
        out.push(letter);
        if letter == '\\' && !of.contains(letter) {
            out.extend(letters.next());
        }
    }
    out
}

/// `glob` where each class stands for itself too: `[id]` becomes `{[id],\[id\]}`. What is no class, like `[user-id]` (from `r`
/// back to `i`) or a bracket that nothing closes, is what it says.
fn with_literal_classes(glob: &str) -> String {
    let mut out = String::with_capacity(glob.len() * 2);
    let mut rest = glob;
    while let Some(at) = rest.find(['[', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('\\') {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        match class_len(rest) {
            Some(len) => {
                let class = &rest[..len];
                let literal = escaped(class, "[]{},*?\\");
                if GlobBuilder::new(class).build().is_ok() {
                    out.push_str(&format!("{{{class},{literal}}}"));
                } else {
                    out.push_str(&literal);
                }
                rest = &rest[len..];
            }
            None => {
                out.push_str("\\[");
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Bytes of the class that `text` begins with; a `]` right at its start belongs to it.
fn class_len(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let negated = inside.strip_prefix(['!', '^']).unwrap_or(inside);
    let first = negated.chars().next()?.len_utf8();
    let end = negated[first..].find(']')?;
    Some(text.len() - negated.len() + first + end + 1)
}

#[cfg(test)]
mod tests;
