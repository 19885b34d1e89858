//! Every key there is, read off the JSON Schema: what may stand in the file, and how a variable's text is understood.

use schemars::{Schema, schema_for};
use serde_json::Value as Json;

use super::Config;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Dotted: `server.port`.
    pub name: String,
    pub shape: Shape,
}

/// What a key's text in the environment stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Number,
    Bool,
    /// Of texts, with commas between them.
    List,
    /// Tables: in the file only.
    Tables,
}

impl Key {
    /// `WHARF_SERVER_PORT` for `server.port`.
    pub fn variable(&self) -> String {
        format!("WHARF_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// Every key, in the order of its name.
pub fn known_keys() -> Vec<Key> {
    let schema = schema_for!(Config);
    let mut keys = Vec::new();
    collect(&schema, schema.as_value(), "", &mut keys);
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    keys
}

fn collect(root: &Schema, node: &Json, prefix: &str, keys: &mut Vec<Key>) {
    let Some(properties) = node.get("properties").and_then(Json::as_object) else { return };
    for (name, property) in properties {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let property = resolve(root, property);
        if property.get("properties").is_some() {
            collect(root, property, &name, keys);
        } else {
            keys.push(Key { name, shape: shape(root, property) });
        }
    }
}

/// The schema that a reference leads to.
fn resolve<'a>(root: &'a Schema, node: &'a Json) -> &'a Json {
    let Some(reference) = node.get("$ref").and_then(Json::as_str) else { return node };
    reference.strip_prefix('#').and_then(|path| root.as_value().pointer(path)).unwrap_or(node)
}

fn shape(root: &Schema, node: &Json) -> Shape {
    match type_of(node) {
        Some("integer" | "number") => Shape::Number,
        Some("boolean") => Shape::Bool,
        Some("array") => {
            let items = node.get("items").map(|items| resolve(root, items));
            if items.and_then(type_of) == Some("string") { Shape::List } else { Shape::Tables }
        }
        Some("object") => Shape::Tables,
        _ => Shape::Text,
    }
}

/// The type; of `["string", "null"]` the first.
fn type_of(node: &Json) -> Option<&str> {
    match node.get("type")? {
        Json::String(name) => Some(name),
        Json::Array(names) => names.first()?.as_str(),
        _ => None,
    }
}
