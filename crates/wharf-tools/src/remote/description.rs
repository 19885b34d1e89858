//! What somebody else says of a tool, bounded and made visible.

use serde_json::{Map, Value, json};
use wharf_foreign::json;
use wharf_foreign::nesting::Bounds;

use wharf_foreign::visible;

/// What is cut off is not missed by a model; what a longer one is for is no description.
const DESCRIPTION_MAX_BYTES: usize = 4 << 10;
/// A tool whose schema is larger is left out: a part of a schema is none.
const SCHEMA_MAX_BYTES: usize = 64 << 10;

const BOUNDS: Bounds = Bounds { length: SCHEMA_MAX_BYTES, depth: json::DEPTH_MAX };

/// A description, for a model and for people.
pub fn text(text: &str) -> String {
    visible::shortened(visible::text(text.trim()), DESCRIPTION_MAX_BYTES)
}

/// A schema of arguments. Providers want an object's, whatever the tool's owner says.
pub fn schema(mut schema: Value) -> Result<Value, String> {
    let size = schema.to_string().len();
    if size > SCHEMA_MAX_BYTES {
        return Err(format!("its schema has {size} bytes; at most {SCHEMA_MAX_BYTES} are taken"));
    }
    // Some owners send it as text.
    if let Value::String(text) = &schema {
        schema = json::from_slice(text.as_bytes(), BOUNDS).unwrap_or_default();
    }
    clean(&mut schema);
    let Value::Object(mut schema) = schema else { return Ok(json!({ "type": "object", "properties": {} })) };
    if schema.get("type") != Some(&json!("object")) {
        schema.insert("type".to_owned(), json!("object"));
    }
    if !schema.get("properties").is_some_and(Value::is_object) {
        schema.insert("properties".to_owned(), Value::Object(Map::new()));
    }
    Ok(Value::Object(schema))
}

/// Makes the texts in it visible; what arguments are called stays, or a call would not fit. Without recursion: how deep it
/// nests is its owner's choice.
fn clean(schema: &mut Value) {
    let mut left = vec![schema];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    match (name.as_str(), value) {
                        ("description" | "title" | "$comment", Value::String(text)) => *text = self::text(text),
                        (_, value) => left.push(value),
                    }
                }
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
}
