//! A tool that an attached client has of its own: described by the client, run by the client, decided about here.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{CallOutcome, ToolError, ToolKind, ToolSpec};

use super::{ClientHost, HostError};
use crate::remote::{self, description, names};
use crate::{CallContext, Tool};
use wharf_foreign::visible;

/// Tools of one client. What it lists beyond them is left out.
const TOOLS_MAX: usize = 128;
/// A tool's name as its client has it, in bytes.
const NAME_MAX_BYTES: usize = 256;
/// All of a client's tools, in bytes.
const ALL_MAX_BYTES: usize = 1 << 20;
/// Longest error of a client that a model is told, in bytes.
const ERROR_MAX_BYTES: usize = 8 << 10;
/// Longest run of a call.
const TIMEOUT_MS: u64 = 600_000;

/// A tool that an attached client has of its own.
pub struct ClientTool {
    spec: Arc<ToolSpec>,
    /// Exactly as the client has it; never shown.
    name: String,
    host: Arc<dyn ClientHost>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    kind: ToolKind,
    #[serde(default, alias = "inputSchema")]
    parameters: Value,
    /// Not said means yes: who forgets it is asked about.
    #[serde(default = "yes", alias = "requiresPermission")]
    requires_permission: bool,
    #[serde(default)]
    categories: Vec<String>,
}

fn yes() -> bool {
    true
}

impl ClientTool {
    /// What begins the names of clients' tools, and of no others.
    pub const PREFIX: &'static str = "client__";

    /// The tools in a client's answer, as far as they can be taken over; and what could not be, and why.
    #[must_use]
    pub fn listed(host: &Arc<dyn ClientHost>, answer: Value) -> (Vec<Arc<Self>>, Vec<String>) {
        let listed = match answer {
            Value::Object(mut answer) => answer.remove("tools"),
            _ => None,
        };
        let Some(Value::Array(listed)) = listed else {
            return (Vec::new(), vec!["its answer has no list of tools".to_owned()]);
        };
        let (mut taken, mut left_out) = (Vec::new(), Vec::new());
        let (mut known, mut bytes) = (HashSet::new(), 0);
        for tool in listed {
            let shown = tool.get("name").and_then(Value::as_str).map_or_else(String::new, |it| visible::line(it, 80));
            match spec_of(tool) {
                Ok((name, _)) if known.contains(&name) => left_out.push(format!("{shown}: the name is there twice")),
                Ok(_) if taken.len() >= TOOLS_MAX => {
                    left_out.push(format!("a client may have {TOOLS_MAX} tools"));
                    break;
                }
                Ok((name, spec)) => {
                    bytes += spec.description.len() + spec.parameters.to_string().len();
                    if bytes > ALL_MAX_BYTES {
                        left_out.push(format!("a client's tools may have {ALL_MAX_BYTES} bytes together"));
                        break;
                    }
                    known.insert(name.clone());
                    taken.push((name, spec));
                }
                Err(why) => left_out.push(format!("{shown}: {why}")),
            }
        }
        let own: Vec<&str> = taken.iter().map(|(name, _)| name.as_str()).collect();
        let named = names::tool_names(Self::PREFIX, &own);
        let tool = |((name, spec), shown)| {
            let spec = Arc::new(ToolSpec { name: shown, ..spec });
            Arc::new(Self { spec, name, host: Arc::clone(host) })
        };
        (taken.into_iter().zip(named).map(tool).collect(), left_out)
    }
}

/// A tool's own name, and its description, which has no name yet.
fn spec_of(listed: Value) -> Result<(String, ToolSpec), String> {
    let Listed { name, description: words, kind, parameters, requires_permission, categories } =
        serde_json::from_value(listed).map_err(|_| "it is no description of a tool".to_owned())?;
    if name.is_empty() || name.len() > NAME_MAX_BYTES {
        return Err(format!("a name has 1 to {NAME_MAX_BYTES} bytes"));
    }
    let words = description::text(&words);
    let reads = matches!(kind, ToolKind::Read | ToolKind::Search | ToolKind::Think | ToolKind::Fetch);
    let spec = ToolSpec {
        name: String::new(),
        description: if words.is_empty() {
            format!("{} of an attached client", visible::line(&name, 80))
        } else {
            words
        },
        category: categories
            .first()
            .map(|it| visible::line(it, 40))
            .filter(|it| !it.is_empty())
            .unwrap_or_else(|| "client".to_owned()),
        kind,
        source: ToolSource::Client,
        // Who may give the session prompts says this, and could say worse: it is believed. A kind that changes something is
        // asked about all the same.
        read_only: reads && !requires_permission,
        subject: None,
        parameters: description::schema(parameters)?,
        timeout_ms: TIMEOUT_MS,
    };
    Ok((name, spec))
}

#[async_trait]
impl Tool for ClientTool {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome {
        let answer = context.unless_cancelled(self.host.call(&context.call_id, &self.name, arguments)).await?;
        let answer = answer.map_err(|error| ToolError::Failed(self.failed(&error)))?;
        remote::outcome(&shaped(answer), &context).await
    }
}

impl ClientTool {
    fn failed(&self, error: &HostError) -> String {
        let name = &self.spec.name;
        match error {
            HostError::Refused(words) => {
                format!("the client refused {name}: {}", visible::shortened(visible::text(words), ERROR_MAX_BYTES))
            }
            HostError::Silent { .. } | HostError::Gone => {
                format!("the client that has {name} does not answer ({error}). Whether it did it is not known")
            }
        }
    }
}

/// An answer in the shape of a result. Whoever answers with a text or with data of its own means that as the result.
fn shaped(answer: Value) -> Value {
    match answer {
        Value::Object(object)
            if object.get("content").is_some_and(Value::is_array)
                || object.contains_key("structuredContent")
                || object.contains_key("isError") =>
        {
            Value::Object(object)
        }
        Value::String(text) => json!({ "content": [{ "type": "text", "text": text }] }),
        other => json!({ "structuredContent": other }),
    }
}
