//! `[mcp.NAME]`: MCP servers that every session has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wharf_protocol::mcp::{McpServer, McpTransport, NamedValue};

/// One MCP server, by its name.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpSection {
    /// `stdio` (a program), `http` or `sse`.
    #[serde(rename = "type")]
    pub transport: McpTransport,
    /// The program: an absolute path, or a name that is looked for in `PATH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables beside those that every command gets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where an `http` or `sse` server answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Tools that the server calls read-only run without a question.
    pub trust_annotations: bool,
    /// Off: it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Names only: the rest may be secret.
impl std::fmt::Debug for McpSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpSection").field("type", &self.transport).finish_non_exhaustive()
    }
}

/// The servers as sessions have them.
pub fn servers(sections: &BTreeMap<String, McpSection>) -> Vec<McpServer> {
    let named = |map: &BTreeMap<String, String>| {
        map.iter().map(|(name, value)| NamedValue { name: name.clone(), value: value.clone() }).collect()
    };
    let used = sections.iter().filter(|(_, section)| section.enabled != Some(false));
    used.map(|(name, section)| {
        let McpSection { transport, command, args, env, url, headers, trust_annotations, enabled: _ } = section;
        McpServer {
            name: name.clone(),
            transport: *transport,
            command: command.clone(),
            args: args.clone(),
            env: named(env),
            url: url.clone(),
            headers: named(headers),
            trust_annotations: *trust_annotations,
        }
    })
    .collect()
}
