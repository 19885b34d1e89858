//! The tools that a server lists, taken over as far as they fit.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use wharf_foreign::visible;
use wharf_tools::remote::description;

/// Tools of one server. What it lists beyond them is left out.
pub(crate) const TOOLS_MAX: usize = 128;
/// Pages of one list.
pub(crate) const PAGES_MAX: usize = 64;
/// A tool's name as its server has it, in bytes.
const NAME_MAX_BYTES: usize = 256;
const TITLE_MAX_BYTES: usize = 128;
/// All of a server's tools, in bytes.
const ALL_MAX_BYTES: usize = 1 << 20;
/// What is said of tools that were left out.
const NOTES_MAX: usize = 16;

/// A server's tools.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    pub(crate) tools: Vec<RemoteTool>,
    /// What could not be taken over, and why.
    pub(crate) left_out: Vec<String>,
}

/// A tool as its server describes it; safe to be shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RemoteTool {
    /// Exactly as the server has it; never shown.
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) schema: Value,
    pub(crate) read_only: bool,
    pub(crate) open_world: bool,
}

impl RemoteTool {
    /// A hash of what it is described as.
    pub(crate) fn definition(&self) -> String {
        let schema = self.schema.to_string();
        let mut hash = Sha256::new();
        for part in [&self.name, self.title.as_deref().unwrap_or_default(), &self.description, &schema] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update([u8::from(self.read_only)]);
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(&self) -> usize {
        self.description.len() + self.schema.to_string().len()
    }
}

impl Catalogue {
    /// Takes a page over; gives the cursor of the next one.
    pub(crate) fn add_page(&mut self, page: Value) -> Result<Option<String>, &'static str> {
        let Value::Object(mut page) = page else { return Err("its list of tools is no object") };
        let Some(Value::Array(tools)) = page.remove("tools") else { return Err("its answer has no list of tools") };
        let mut bytes: usize = self.tools.iter().map(RemoteTool::bytes).sum();
        let mut known: HashSet<String> = self.tools.iter().map(|tool| tool.name.clone()).collect();
        for listed in tools {
            let shown =
                listed.get("name").and_then(Value::as_str).map_or_else(String::new, |name| visible::line(name, 80));
            match taken(listed) {
                Ok(tool) if known.contains(&tool.name) => self.note(format!("{shown}: the name is there twice")),
                Ok(_) if self.tools.len() >= TOOLS_MAX => {
                    self.note(format!("{shown}: a server may have {TOOLS_MAX} tools"));
                }
                Ok(tool) if bytes + tool.bytes() > ALL_MAX_BYTES => {
                    self.note(format!("{shown}: a server's tools may have {ALL_MAX_BYTES} bytes together"));
                }
                Ok(tool) => {
                    bytes += tool.bytes();
                    known.insert(tool.name.clone());
                    self.tools.push(tool);
                }
                Err(why) => self.note(format!("{shown}: {why}")),
            }
        }
        let next = page.remove("nextCursor").and_then(|cursor| cursor.as_str().map(str::to_owned));
        Ok(next.filter(|cursor| !cursor.is_empty()))
    }

    pub(crate) fn note(&mut self, note: String) {
        if self.left_out.len() < NOTES_MAX {
            self.left_out.push(note);
        }
    }
}

fn taken(listed: Value) -> Result<RemoteTool, String> {
    let Value::Object(mut listed) = listed else { return Err("it is no description of a tool".to_owned()) };
    let schema = listed.remove("inputSchema").unwrap_or_default();
    let text = |name: &str| listed.get(name).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    if name.is_empty() || name.len() > NAME_MAX_BYTES {
        return Err(format!("a name has 1 to {NAME_MAX_BYTES} bytes"));
    }
    let annotation = |name: &str| listed.get("annotations").and_then(|annotations| annotations.get(name));
    let title =
        text("title").or_else(|| annotation("title")?.as_str()).map(|title| visible::line(title, TITLE_MAX_BYTES));
    // Only a plain `true` is a promise.
    let hint = |name: &str| annotation(name) == Some(&Value::Bool(true));
    Ok(RemoteTool {
        title: title.filter(|title| !title.is_empty()),
        description: description::text(text("description").unwrap_or_default()),
        schema: description::schema(schema)?,
        read_only: hint("readOnlyHint"),
        open_world: hint("openWorldHint"),
        name: name.to_owned(),
    })
}
