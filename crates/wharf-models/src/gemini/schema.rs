//! A tool's schema as Gemini takes it: JSON Schema almost as it is, or the subset of OpenAPI that older models and other servers know.

use serde_json::{Map, Value, json};

/// Levels of a schema. What lies deeper is any object.
const MAX_DEPTH: usize = 24;

/// Nodes of one schema, references followed: they multiply.
const MAX_NODES: usize = 4_096;

/// JSON Schema for `parametersJsonSchema`: a constant is ignored there, so that it is written as the only choice.
pub(super) fn json_schema(schema: &Value) -> Value {
    let mut schema = json_node(schema, MAX_DEPTH);
    if let Value::Object(fields) = &mut schema {
        fields.entry("type").or_insert_with(|| json!("object"));
    }
    schema
}

fn json_node(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(_) if depth == 0 => json!({ "type": "object" }),
        Value::Object(fields) => {
            let mut out = Map::new();
            for (key, value) in fields {
                match key.as_str() {
                    "$schema" => {}
                    "const" => {
                        out.insert("enum".to_owned(), json!([value]));
                    }
                    // Names of properties are no keywords.
                    "properties" | "$defs" | "definitions" | "patternProperties" => {
                        out.insert(key.clone(), named(value, depth - 1));
                    }
                    "enum" | "default" | "examples" | "required" => {
                        out.insert(key.clone(), value.clone());
                    }
                    _ => {
                        out.insert(key.clone(), json_node(value, depth - 1));
                    }
                }
            }
            Value::Object(out)
        }
        Value::Array(list) => {
            Value::Array(list.iter().map(|value| json_node(value, depth.saturating_sub(1))).collect())
        }
        other => other.clone(),
    }
}

fn named(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, schema)| (name.clone(), json_node(schema, depth))).collect())
        }
        other => other.clone(),
    }
}

/// The subset of OpenAPI for `parameters`; `None` for a tool without any.
pub(super) fn open_api(schema: &Value) -> Option<Value> {
    let mut writer = OpenApi { root: schema, nodes: 0 };
    let mut schema = writer.node(schema, MAX_DEPTH);
    schema["type"] = json!("object");
    let has_properties = schema.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty());
    has_properties.then_some(schema)
}

struct OpenApi<'a> {
    root: &'a Value,
    nodes: usize,
}

impl<'a> OpenApi<'a> {
    fn node(&mut self, schema: &'a Value, depth: usize) -> Value {
        self.nodes += 1;
        let Value::Object(fields) = schema else { return json!({ "type": "string" }) };
        if depth == 0 || self.nodes > MAX_NODES {
            return json!({ "type": "object" });
        }
        if let Some(target) = fields.get("$ref").and_then(Value::as_str).and_then(|path| self.target(path)) {
            let mut out = self.node(target, depth - 1);
            if let Some(description) = fields.get("description") {
                out["description"] = description.clone();
            }
            return out;
        }
        let mut out = Map::new();
        for key in ["description", "nullable", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"] {
            if let Some(value) = fields.get(key) {
                out.insert(key.to_owned(), value.clone());
            }
        }
        for key in ["pattern", "format"] {
            if let Some(value) =
                fields.get(key).and_then(Value::as_str).filter(|value| key == "pattern" || is_known_format(value))
            {
                out.insert(key.to_owned(), json!(value));
            }
        }
        let choices = ["anyOf", "oneOf"].iter().find_map(|key| fields.get(*key)?.as_array());
        if let Some(choices) = choices {
            self.choices(choices, depth, &mut out);
        } else {
            self.kind(fields, depth, &mut out);
        }
        for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.node(part, depth - 1);
            merge(&mut out, part);
        }
        only_known_required(&mut out);
        Value::Object(out)
    }

    /// Which type a node has, and what lies below it.
    fn kind(&mut self, fields: &'a Map<String, Value>, depth: usize, out: &mut Map<String, Value>) {
        let kinds: Vec<&str> = match fields.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if kinds.contains(&"null") {
            out.insert("nullable".to_owned(), json!(true));
        }
        let mut kinds = kinds.into_iter().filter(|kind| *kind != "null");
        let kind = match (kinds.next(), kinds.next()) {
            // Whichever of them: a text can say it.
            (Some(_), Some(_)) => "string",
            (Some(kind), None) => kind,
            (None, _) if fields.contains_key("properties") => "object",
            (None, _) if fields.contains_key("items") => "array",
            (None, _) => "string",
        };
        out.insert("type".to_owned(), json!(kind));
        let constant = fields.get("const").map(std::slice::from_ref);
        let choices = constant.or_else(|| fields.get("enum").and_then(Value::as_array).map(Vec::as_slice));
        if let Some(choices) = choices {
            one_of(choices, out);
        }
        if kind == "object" {
            let properties = fields.get("properties").and_then(Value::as_object).into_iter().flatten();
            let properties: Map<String, Value> =
                properties.map(|(name, schema)| (name.clone(), self.node(schema, depth - 1))).collect();
            if !properties.is_empty() {
                out.insert("properties".to_owned(), Value::Object(properties));
            }
            if let Some(required) = fields.get("required").filter(|required| required.is_array()) {
                out.insert("required".to_owned(), required.clone());
            }
        }
        if kind == "array" {
            let items = fields.get("items").filter(|items| items.is_object());
            let items = items.map_or_else(|| json!({ "type": "string" }), |items| self.node(items, depth - 1));
            out.insert("items".to_owned(), items);
        }
    }

    fn choices(&mut self, choices: &'a [Value], depth: usize, out: &mut Map<String, Value>) {
        let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
        if choices.iter().any(|choice| is_null(&choice)) {
            out.insert("nullable".to_owned(), json!(true));
        }
        let rest: Vec<&Value> = choices.iter().filter(|choice| !is_null(choice)).collect();
        match rest.as_slice() {
            [one] => {
                let one = self.node(one, depth - 1);
                merge(out, one);
            }
            several => {
                let several: Vec<Value> = several.iter().map(|choice| self.node(choice, depth - 1)).collect();
                out.insert("anyOf".to_owned(), Value::Array(several));
            }
        }
    }

    /// What a reference within the same schema names.
    fn target(&self, path: &str) -> Option<&'a Value> {
        self.root.pointer(path.strip_prefix('#')?)
    }
}

fn is_known_format(format: &str) -> bool {
    matches!(format, "date-time" | "enum" | "int32" | "int64" | "float" | "double")
}

/// Choices are texts there; others are said in the description.
fn one_of(choices: &[Value], out: &mut Map<String, Value>) {
    let texts: Vec<&Value> = choices.iter().filter(|choice| choice.is_string()).collect();
    if texts.len() == choices.len() && out.get("type") == Some(&json!("string")) {
        out.insert("enum".to_owned(), json!(texts));
        return;
    }
    let words: Vec<String> = choices.iter().map(Value::to_string).collect();
    let said = out.get("description").and_then(Value::as_str).unwrap_or_default();
    let said = format!("{said} One of: {}.", words.join(", "));
    out.insert("description".to_owned(), json!(said.trim()));
}

/// Adds what is not there yet; properties and what is required of them are put together.
fn merge(into: &mut Map<String, Value>, from: Value) {
    let Value::Object(from) = from else { return };
    for (key, value) in from {
        match (key.as_str(), into.get_mut(&key), value) {
            ("properties", Some(Value::Object(have)), Value::Object(more)) => {
                for (name, schema) in more {
                    have.entry(name).or_insert(schema);
                }
            }
            ("required", Some(Value::Array(have)), Value::Array(more)) => have.extend(more),
            // A node without a type of its own was taken for text.
            ("type", Some(have), kind) if *have == json!("string") => *have = kind,
            (_, Some(_), _) => {}
            (_, None, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// A property that is required and not described is refused.
fn only_known_required(node: &mut Map<String, Value>) {
    let known = |name: &Value, node: &Map<String, Value>| {
        let properties = node.get("properties").and_then(Value::as_object);
        name.as_str().is_some_and(|name| properties.is_some_and(|properties| properties.contains_key(name)))
    };
    let Some(Value::Array(required)) = node.remove("required") else { return };
    let mut kept = Vec::new();
    for name in required {
        if known(&name, node) && !kept.contains(&name) {
            kept.push(name);
        }
    }
    if !kept.is_empty() {
        node.insert("required".to_owned(), Value::Array(kept));
    }
}

#[cfg(test)]
mod tests {
    //! Schemas as tools bring them.

    use serde_json::{Value, json};

    use super::{json_schema, open_api};

    fn tool() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "$defs": { "mode": { "oneOf": [{ "const": "r" }, { "const": "w", "description": "write" }] } },
            "properties": {
                "const": { "type": "string", "description": "a property of that name" },
                "mode": { "$ref": "#/$defs/mode", "description": "how" },
                "lines": { "type": ["integer", "null"], "format": "uint64", "minimum": 0, "default": null },
                "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
                "which": { "enum": [1, 2], "type": "integer" },
                "list": { "type": "array" },
            },
            "required": ["mode", "gone"],
        })
    }

    #[test]
    fn json_schema_stays_almost_as_it_is() {
        let schema = json_schema(&tool());
        assert_eq!(schema["$defs"]["mode"]["oneOf"][0], json!({ "enum": ["r"] }));
        assert_eq!(schema["properties"]["const"], tool()["properties"]["const"]);
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema.get("$schema"), None);
        assert_eq!(json_schema(&json!({})), json!({ "type": "object" }));
    }

    #[test]
    fn the_subset_says_as_much_as_it_can() {
        let wanted = json!({
            "type": "object",
            "properties": {
                "const": { "type": "string", "description": "a property of that name" },
                "mode": {
                    "description": "how",
                    "anyOf": [
                        { "type": "string", "enum": ["r"] },
                        { "type": "string", "enum": ["w"], "description": "write" },
                    ],
                },
                "lines": { "type": "integer", "nullable": true, "minimum": 0 },
                "either": { "type": "string", "nullable": true },
                "which": { "type": "integer", "description": "One of: 1, 2." },
                "list": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["mode"],
        });
        assert_eq!(open_api(&tool()), Some(wanted));
        assert_eq!(open_api(&json!({ "type": "object", "properties": {} })), None);
    }

    #[test]
    fn a_schema_that_names_itself_comes_to_an_end() {
        let endless = json!({
            "type": "object",
            "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" }, "c": { "allOf": [{ "$ref": "#" }] } },
        });
        assert!(open_api(&endless).is_some());
    }
}
