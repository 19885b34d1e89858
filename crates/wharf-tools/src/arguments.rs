//! Arguments of a call: their JSON Schema, and reading what a model sent, with errors it can act on.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wharf_foreign::json;
use wharf_foreign::nesting::Bounds;
use wharf_foreign::visible;
use wharf_protocol::{ToolError, ToolSpec};

/// The schema of `T` in the plain form that every provider takes: no references, no `null` types, no titles.
pub(crate) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    if let Value::Object(object) = &mut schema {
        object.remove("$schema");
        object.remove("description");
        object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    }
    schema
}

fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(simplify),
        Value::Object(object) => {
            // A property may be called `title` or `format`: only texts are keywords.
            for keyword in ["title", "format"] {
                if object.get(keyword).is_some_and(Value::is_string) {
                    object.remove(keyword);
                }
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if types.len() == 1 {
                    let only = types.remove(0);
                    object.insert("type".into(), only);
                }
            }
            // Some providers refuse a value that is not of the type.
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if let Some(Value::Array(options)) = object.get_mut("anyOf") {
                options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
                if options.len() == 1
                    && let Value::Object(only) = options.remove(0)
                {
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(simplify);
        }
        _ => {}
    }
}

/// Reads the arguments of a call to the tool of `spec`.
pub(crate) fn parse<T: DeserializeOwned>(spec: &ToolSpec, arguments: Value) -> Result<T, ToolError> {
    let arguments = match arguments {
        Value::Null => Value::Object(Map::new()),
        // Some models encode the object twice.
        Value::String(text) => json::object(&text, BOUNDS).map_or(Value::String(text), Value::Object),
        other => other,
    };
    let Value::Object(mut object) = arguments else {
        return Err(refusal(spec, &format!("expected an object, got {}", kind_of(&arguments))));
    };
    object.retain(|_, value| !value.is_null());
    let arguments = fitted(&spec.parameters, Value::Object(object));
    if let Ok(read) = T::deserialize(&arguments) {
        return Ok(read);
    }
    let problem = problem::<T>(&arguments);
    // The schema does not know the other names that an argument may have.
    let Value::Object(mut object) = arguments else { return Err(refusal(spec, &problem)) };
    let properties = &spec.parameters["properties"];
    for (name, value) in object.iter_mut().filter(|(name, _)| properties.get(name).is_none()) {
        if let Some(encoded) = encoded(value) {
            tracing::trace!(name, "an argument was JSON text");
            *value = encoded;
        }
    }
    T::deserialize(Value::Object(object)).map_err(|_| refusal(spec, &problem))
}

/// What keeps the arguments from being read, and where: `todos[1].status: unknown variant ...`.
fn problem<T: DeserializeOwned>(arguments: &Value) -> String {
    let Err(error) = serde_path_to_error::deserialize::<_, T>(arguments) else { return String::new() };
    let (place, problem) = (error.path().to_string(), error.inner().to_string());
    // At the top an unknown or a missing name says itself where it is.
    let names_itself = place == "." || problem.starts_with(&format!("unknown field `{place}`"));
    let told = if names_itself { problem } else { format!("{place}: {problem}") };
    visible::shortened(told, PROBLEM_MAX_BYTES)
}

/// What is told of a mistake, in bytes: it may quote what was sent. The rest is left out.
const PROBLEM_MAX_BYTES: usize = 500;

/// JSON in a text of a model: no longer than a reply may be, no deeper than our readers go.
const BOUNDS: Bounds = Bounds { length: 32 << 20, depth: json::DEPTH_MAX };

/// Levels of a schema in which arguments are fitted to it. Deeper ones stay as they came.
const FITTED_LEVELS: usize = 8;

/// The arguments as their schema wants them, where a model wrote a value in another way that has one meaning: a list or an object as
/// JSON text, one object in place of a list of them, numbers and flags as text. All else stays as it came.
pub fn fitted(schema: &Value, mut arguments: Value) -> Value {
    // Not by recursion: the schema may be somebody else's, and so are the arguments.
    let mut open = vec![(schema, &mut arguments, 0)];
    while let Some((schema, value, level)) = open.pop() {
        fit(schema, value);
        if level == FITTED_LEVELS {
            continue;
        }
        match value {
            Value::Object(object) => {
                let Some(properties) = schema.get("properties").and_then(Value::as_object) else { continue };
                for (name, value) in object {
                    if let Some(property) = properties.get(name) {
                        open.push((property, value, level + 1));
                    }
                }
            }
            Value::Array(list) => {
                if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
                    open.extend(list.iter_mut().map(|value| (items, value, level + 1)));
                }
            }
            _ => {}
        }
    }
    arguments
}

fn fit(schema: &Value, value: &mut Value) {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if let Value::String(text) = &*value {
        let read = match (kind, text.trim()) {
            ("array" | "object", _) => encoded(value),
            ("integer", text) => text.parse::<i64>().ok().map(Value::from),
            ("number", text) => serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number),
            ("boolean", "true" | "True" | "TRUE") => Some(Value::Bool(true)),
            ("boolean", "false" | "False" | "FALSE") => Some(Value::Bool(false)),
            _ => None,
        };
        // A text that holds the other of the two is a mistake with more than one meaning.
        let fits = |read: &Value| match kind {
            "array" => read.is_array() || (read.is_object() && wants_objects(schema)),
            "object" => read.is_object(),
            _ => true,
        };
        if let Some(read) = read.filter(fits) {
            *value = read;
        }
    }
    match kind {
        "array" if value.is_object() && wants_objects(schema) => *value = Value::Array(vec![value.take()]),
        "string" if value.is_i64() || value.is_u64() => *value = Value::String(value.to_string()),
        "integer" => {
            if let Some(number) = value.as_f64().filter(|number| value.is_f64() && number.fract() == 0.0)
                && number.abs() < 9_007_199_254_740_992.0
            {
                *value = Value::from(number as i64);
            }
        }
        _ => {}
    }
}

/// Whether a list is one of objects.
fn wants_objects(schema: &Value) -> bool {
    schema.pointer("/items/type").and_then(Value::as_str) == Some("object")
}

/// The list or object that a text is.
fn encoded(value: &Value) -> Option<Value> {
    let text = value.as_str()?.trim();
    text.starts_with(['[', '{']).then(|| json::from_slice(text.as_bytes(), BOUNDS).ok())?
}

fn refusal(spec: &ToolSpec, problem: &str) -> ToolError {
    ToolError::Failed(format!(
        "{}: these arguments cannot be used: {problem}. Arguments: {}",
        spec.name,
        summary(&spec.parameters)
    ))
}

/// `path (string, required), offset (integer)`.
fn summary(parameters: &Value) -> String {
    let required: Vec<&str> =
        parameters["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = parameters["properties"].as_object() else { return "none".into() };
    if properties.is_empty() {
        return "none".into();
    }
    // What must be there comes first.
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| !required.contains(&name.as_str()));
    let describe = |name: &&String| {
        let property = &properties[name.as_str()];
        let kind = match property["enum"].as_array() {
            Some(values) => {
                let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                format!("one of {}", values.join(", "))
            }
            None => property["type"].as_str().unwrap_or("value").to_owned(),
        };
        let required = if required.contains(&name.as_str()) { ", required" } else { "" };
        format!("{name} ({kind}{required})")
    };
    names.iter().map(describe).collect::<Vec<_>>().join("; ")
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Readers that forgive what models commonly get wrong.
pub(crate) mod lenient {
    use serde::{Deserialize, Deserializer, de::Error};
    use serde_json::Value;

    /// A whole number, also as text (`"12"`) or with an empty fraction (`12.0`).
    pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| D::Error::custom(format!("expected a whole number of at least 0, got {value}")))
    }

    fn whole(number: f64) -> Option<u64> {
        // Beyond 2^53 a float no longer holds every whole number.
        (number >= 0.0 && number.fract() == 0.0 && number < 9_007_199_254_740_992.0).then_some(number as u64)
    }

    /// The workspace.
    pub(crate) fn here() -> String {
        ".".to_owned()
    }

    /// A directory; empty is what some models send in place of nothing.
    pub(crate) fn directory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let path = String::deserialize(deserializer)?;
        Ok(if path.is_empty() { here() } else { path })
    }

    /// A boolean, also as text or as 0 and 1.
    pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => match number.as_u64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" | "" => Some(false),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| D::Error::custom(format!("expected true or false, got {value}")))
    }
}

#[cfg(test)]
mod tests;
