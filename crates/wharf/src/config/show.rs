//! `wharf config show`: each effective value and where it came from.

use serde_json::{Map, Value as Json, json};

use super::{Layered, known_keys};

/// Lines for people, or one JSON object by key.
pub fn show(layered: &Layered, as_json: bool) -> String {
    if as_json {
        let keys: Map<String, Json> = known_keys()
            .into_iter()
            .map(|key| {
                let (value, source) = of(layered, &key.name);
                (key.name.clone(), json!({ "value": value, "source": source, "variable": key.variable() }))
            })
            .collect();
        return format!("{:#}\n", Json::Object(keys));
    }
    let rows: Vec<(String, String, String)> = known_keys()
        .into_iter()
        .map(|key| {
            let (value, source) = of(layered, &key.name);
            let value = if value.is_null() { "(none)".to_owned() } else { value.to_string() };
            (key.name, value, source)
        })
        .collect();
    let width = |column: fn(&(String, String, String)) -> usize| rows.iter().map(column).max().unwrap_or(0);
    let (names, values) = (width(|row| row.0.len()), width(|row| row.1.chars().count()).min(40));
    rows.iter().map(|(name, value, source)| format!("{name:names$}  {value:values$}  {source}\n")).collect()
}

fn of(layered: &Layered, name: &str) -> (Json, String) {
    match layered.values.get(name) {
        Some((value, source)) if name == "mcp" => (shown_alone(&json!(value), MCP_SHOWN), source.to_string()),
        Some((value, source)) if name == "providers" => {
            (shown_alone(&json!(value), PROVIDERS_SHOWN), source.to_string())
        }
        Some((value, source)) => (redacted(&json!(value)), source.to_string()),
        None => (Json::Null, "default".to_owned()),
    }
}

/// What is shown of MCP servers and providers. They are where secrets may stand: in arguments, variables, headers and addresses.
const MCP_SHOWN: &[&str] = &["type", "command", "enabled", "trust_annotations"];
const PROVIDERS_SHOWN: &[&str] = &[
    "preset",
    "protocol",
    "api_key_env",
    "api_key_file",
    "ca_file",
    "model",
    "context_tokens",
    "connect_ms",
    "idle_ms",
    "attempts",
    "models",
];

fn shown_alone(servers: &Json, fields_shown: &[&str]) -> Json {
    let Json::Object(servers) = servers else { return Json::Null };
    let hidden = |value: &Json| match value {
        Json::Object(map) => Json::Object(map.keys().map(|name| (name.clone(), json!("…"))).collect()),
        Json::Array(items) => Json::Array(items.iter().map(|_| json!("…")).collect()),
        _ => json!("…"),
    };
    let server = |server: &Json| {
        let Json::Object(fields) = server else { return Json::Null };
        let field = |(name, value): (&String, &Json)| {
            let shown = match name.as_str() {
                "base_url" => redacted(value),
                name if fields_shown.contains(&name) => value.clone(),
                _ => hidden(value),
            };
            (name.clone(), shown)
        };
        Json::Object(fields.iter().map(field).collect())
    };
    Json::Object(servers.iter().map(|(name, fields)| (name.clone(), server(fields))).collect())
}

/// Keys stand in files and variables that the configuration names, never in it. An address may still hold one by mistake.
fn redacted(value: &Json) -> Json {
    let Json::String(text) = value else { return value.clone() };
    let Some((scheme, rest)) = text.split_once("://") else { return value.clone() };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?…"));
    match place.rsplit_once('@') {
        Some((_, host)) => json!(format!("{scheme}://…@{host}{query}")),
        None => json!(format!("{scheme}://{place}{query}")),
    }
}
