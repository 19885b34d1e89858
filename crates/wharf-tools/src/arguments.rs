//! Arguments of a call: their JSON Schema, and reading what a model sent, with errors it can act on.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wharf_protocol::ToolSpec;

use crate::ToolError;

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
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    };
    let Value::Object(mut object) = arguments else {
        return Err(refusal(spec, &format!("expected an object, got {}", kind_of(&arguments))));
    };
    object.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(object)).map_err(|error| refusal(spec, &error.to_string()))
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
