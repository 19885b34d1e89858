//! Intents to steps: the next tool call, or the answer once all calls are back.

use std::sync::Arc;

use serde_json::{Map, Value};
use wharf_protocol::ToolSpec;

use super::answer;
use super::intent::Intent;

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Call { say: String, tool_name: String, arguments: Value },
    Answer(String),
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub text: String,
    pub failed: bool,
}

/// Why an intent is not done.
enum Pause {
    Call { say: String, tool_name: String, arguments: Value },
    Failed(String),
}

/// Files that tell what a project is, the most telling first.
const ABOUT: &[&str] =
    &["README.md", "README", "README.txt", "README.rst", "readme.md", "Cargo.toml", "package.json", "pyproject.toml"];

/// Goes through the intents along the outcomes that there are, and stops where one is missing.
pub(super) fn next_step(intents: &[Intent], outcomes: &[Outcome], tools: &[Arc<ToolSpec>]) -> Step {
    if intents.is_empty() {
        return Step::Answer(answer::help());
    }
    let mut run = Run { outcomes: outcomes.iter(), tools };
    let mut said = Vec::new();
    for (at, intent) in intents.iter().enumerate() {
        match run.intent(intent) {
            Ok(text) => said.push(text),
            Err(Pause::Call { say, tool_name, arguments }) => return Step::Call { say, tool_name, arguments },
            Err(Pause::Failed(text)) => {
                said.push(text);
                if at + 1 < intents.len() {
                    said.push("I stopped there and did not do the rest.".to_owned());
                }
                break;
            }
        }
    }
    Step::Answer(said.join("\n\n"))
}

struct Run<'a> {
    outcomes: std::slice::Iter<'a, Outcome>,
    tools: &'a [Arc<ToolSpec>],
}

impl<'a> Run<'a> {
    fn intent(&mut self, intent: &Intent) -> Result<String, Pause> {
        match intent {
            Intent::Overview => self.overview(),
            Intent::List { path } => {
                let listing = self.listing(path)?;
                Ok(format!("In {} there is:\n\n{}", answer::place(path), answer::block(listing)))
            }
            Intent::Read { path } => {
                let text = self.read(path)?;
                Ok(format!("`{path}` reads:\n\n{}", answer::block(text)))
            }
            Intent::Search { words } => {
                let say = format!("I will search for \"{words}\". ");
                let found = self.call("grep", say, |spec| arguments(spec, &[(PATTERN, &escaped(words))]))?;
                Ok(answer::found(words, found))
            }
            Intent::FindFiles { pattern } => {
                let say = format!("I will look for files that match {pattern}. ");
                let found = self.call("glob", say, |spec| arguments(spec, &[(PATTERN, pattern)]))?;
                Ok(answer::found(pattern, found))
            }
            Intent::Write { path, content } => {
                let say = format!("I will write {path}. ");
                self.call("write_file", say, |spec| arguments(spec, &[(PATH, path), (CONTENT, content)]))?;
                Ok(format!("I wrote `{path}` ({} bytes).", content.len()))
            }
            Intent::Replace { old, new, path } => {
                // An edit tool may insist that the file was read before.
                if self.has("read_file") {
                    self.read(path)?;
                }
                let say = format!("I will edit {path}. ");
                self.call("edit_file", say, |spec| edit_arguments(spec, path, old, new))?;
                Ok(format!("I replaced \"{old}\" with \"{new}\" in `{path}`."))
            }
            Intent::Run { command } => {
                let say = format!("I will run `{command}`. ");
                let output = self.call("bash", say, |spec| arguments(spec, &[(COMMAND, command)]))?;
                Ok(format!("`{command}` put out:\n\n{}", answer::block(output)))
            }
        }
    }

    fn overview(&mut self) -> Result<String, Pause> {
        let listing = self.listing(".")?;
        let about = ABOUT.iter().find(|name| answer::names_file(listing, name));
        let Some(about) = about.filter(|_| self.has("read_file")) else {
            return Ok(answer::overview(listing, None));
        };
        let text = self.read(about)?;
        Ok(answer::overview(listing, Some((about, text))))
    }

    fn listing(&mut self, path: &str) -> Result<&'a str, Pause> {
        if self.has("list_dir") {
            let say = format!("I will list {}. ", answer::place(path));
            self.call("list_dir", say, |spec| arguments(spec, &[(PATH, path)]))
        } else {
            let pattern = if path == "." { "*".to_owned() } else { format!("{}/*", path.trim_end_matches('/')) };
            self.call("glob", "I will look which files there are. ".to_owned(), |spec| {
                arguments(spec, &[(PATTERN, &pattern)])
            })
        }
    }

    fn read(&mut self, path: &str) -> Result<&'a str, Pause> {
        self.call("read_file", format!("I will read {path}. "), |spec| arguments(spec, &[(PATH, path)]))
    }

    fn has(&self, tool_name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == tool_name)
    }

    /// The outcome of the call that comes next, or the call itself where it was not made yet.
    fn call(
        &mut self,
        tool_name: &str,
        say: String,
        arguments: impl FnOnce(&ToolSpec) -> Value,
    ) -> Result<&'a str, Pause> {
        match self.outcomes.next() {
            Some(Outcome { text, failed: false }) => Ok(text),
            Some(Outcome { text, failed: true }) => Err(Pause::Failed(answer::failed(tool_name, text))),
            None => match self.tools.iter().find(|tool| tool.name == tool_name) {
                Some(spec) => Err(Pause::Call { say, tool_name: tool_name.to_owned(), arguments: arguments(spec) }),
                None => Err(Pause::Failed(format!(
                    "I would need the tool `{tool_name}` for that, and I have not been given it."
                ))),
            },
        }
    }
}

/// What an argument may be called; the first is the usual name.
type Names = &'static [&'static str];

const PATH: Names = &["path", "file_path", "file", "filename", "dir", "directory"];
const PATTERN: Names = &["pattern", "query", "regex", "glob"];
const CONTENT: Names = &["content", "contents", "text"];
const COMMAND: Names = &["command", "cmd", "script"];
const OLD: Names = &["old_text", "old_string", "old", "search"];
const NEW: Names = &["new_text", "new_string", "new", "replace", "replacement"];

fn arguments(spec: &ToolSpec, values: &[(Names, &str)]) -> Value {
    Value::Object(fill(spec.parameters.get("properties"), values))
}

fn edit_arguments(spec: &ToolSpec, path: &str, old: &str, new: &str) -> Value {
    let properties = spec.parameters.get("properties");
    let Some(edits) = properties.and_then(|properties| properties.get("edits")) else {
        return arguments(spec, &[(PATH, path), (OLD, old), (NEW, new)]);
    };
    let of_one = edits.get("items").and_then(|items| items.get("properties"));
    let mut all = fill(properties, &[(PATH, path)]);
    all.insert("edits".to_owned(), Value::Array(vec![Value::Object(fill(of_one, &[(OLD, old), (NEW, new)]))]));
    Value::Object(all)
}

/// Gives each value the name that the schema has for it.
fn fill(properties: Option<&Value>, values: &[(Names, &str)]) -> Map<String, Value> {
    let has = |name: &&str| properties.is_some_and(|properties| properties.get(name).is_some());
    let named = |(names, value): &(Names, &str)| {
        let name = names.iter().copied().find(has).unwrap_or(names[0]);
        (name.to_owned(), Value::String((*value).to_owned()))
    };
    values.iter().map(named).collect()
}

/// A search tool takes a regular expression; the user gave words.
fn escaped(words: &str) -> String {
    let mut escaped = String::new();
    for c in words.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
