//! Our entry in an editor's settings, which are JSON with comments. Only what has to be different is touched: comments, order
//! and layout are somebody's work.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use serde_json::{Map, Value, json};

use super::launch::{ARGUMENTS, Launch};
use super::{Wanted, is_data};
use crate::cli::Editor;

/// Where Zed and JetBrains look for agents.
const SERVERS: &str = "agent_servers";
const NAME: &str = "Wharf";
/// What an editor's own parser takes beyond JSON; more would be mended by us and broken for it.
const DIALECT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};
/// Some programs put it in front of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file is not edited.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    #[error("line {line}, column {column}: {what}")]
    Broken { line: usize, column: usize, what: String },
    #[error("{0} is not an object")]
    NotAnObject(String),
    #[error("{0} is there twice")]
    Twice(String),
    #[error("the edit would have changed more than it should")]
    Unsafe,
}

/// What the entry has to say. What else stands in it is the user's.
pub struct Entry {
    fields: Map<String, Value>,
}

impl Entry {
    /// `None`: the editor's settings are code.
    pub fn of(editor: Editor, launch: &Launch) -> Option<Self> {
        if !is_data(editor) {
            return None;
        }
        let mut fields = Map::new();
        if editor == Editor::Zed {
            fields.insert("type".to_owned(), "custom".into());
        }
        fields.insert("command".to_owned(), launch.command.as_str().into());
        fields.insert("args".to_owned(), json!(ARGUMENTS));
        Some(Self { fields })
    }

    /// The entry for somebody who adds it by hand.
    pub fn snippet(&self) -> String {
        serde_json::to_string_pretty(&json!({ SERVERS: { NAME: self.fields } })).unwrap_or_default()
    }

    /// The text with the entry in it. Fields that say something else are replaced; without `force` that is only shown.
    pub fn put_into(&self, text: &str) -> Result<Wanted, EntryError> {
        let (mark, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (BYTE_ORDER_MARK.to_string(), rest),
            None => (String::new(), text),
        };
        let root = CstRootNode::parse(text, &DIALECT).map_err(|error| EntryError::Broken {
            line: error.line_display(),
            column: error.column_display(),
            what: error.kind().to_string(),
        })?;
        let before = root.to_serde_value().unwrap_or_else(|| json!({}));
        let settings = match root.value() {
            None => {
                root.set_value(CstInputValue::Object(Vec::new()));
                root.object_value()
            }
            Some(_) => root.object_value(),
        };
        let settings = settings.ok_or_else(|| EntryError::NotAnObject("the file".to_owned()))?;
        only_once(&settings, SERVERS, SERVERS)?;
        let servers = settings.object_value_or_create(SERVERS);
        let servers = servers.ok_or_else(|| EntryError::NotAnObject(SERVERS.to_owned()))?;
        let path = format!("{SERVERS}.{NAME}");
        only_once(&servers, NAME, &path)?;
        let mut old = None;
        match servers.get(NAME) {
            None => {
                servers.append(NAME, input(&Value::Object(self.fields.clone())));
            }
            Some(entry) => {
                let there = entry.object_value().ok_or(EntryError::NotAnObject(path.clone()))?;
                let before = Value::Object(there.to_serde_value().and_then(object).unwrap_or_default());
                if self.set(&there, &path)? {
                    old = Some(format!("\"{NAME}\": {}", serde_json::to_string_pretty(&before).unwrap_or_default()));
                }
                if old.is_none() {
                    return Ok(Wanted::Same);
                }
            }
        }
        let mut after = root.to_string();
        if !after.ends_with('\n') && text.trim().is_empty() {
            after.push('\n');
        }
        self.check(before, &after)?;
        let text = mark + &after;
        Ok(match old {
            None => Wanted::New { text },
            Some(old) => Wanted::Replaced { text, old },
        })
    }

    /// Sets the fields that say something else; whether there were any.
    fn set(&self, entry: &CstObject, path: &str) -> Result<bool, EntryError> {
        let mut changed = false;
        for (name, value) in &self.fields {
            only_once(entry, name, &format!("{path}.{name}"))?;
            match entry.get(name) {
                Some(field) if value_of(&field).as_ref() == Some(value) => {}
                Some(field) => {
                    field.set_value(input(value));
                    changed = true;
                }
                // Zed takes an entry without a type for one like ours.
                None if name == "type" => {}
                None => {
                    entry.append(name, input(value));
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    /// Read back, the file says what it said, and our fields.
    fn check(&self, mut before: Value, after: &str) -> Result<(), EntryError> {
        let after = CstRootNode::parse(after, &DIALECT).ok().and_then(|root| root.to_serde_value());
        let mut after = after.ok_or(EntryError::Unsafe)?;
        for (name, value) in &self.fields {
            if after[SERVERS][NAME].get(name).is_some_and(|there| there != value) {
                return Err(EntryError::Unsafe);
            }
        }
        for settings in [&mut before, &mut after] {
            let Some(servers) = settings.as_object_mut().and_then(|settings| settings.get_mut(SERVERS)) else {
                continue;
            };
            if let Some(entry) = servers.get_mut(NAME).and_then(Value::as_object_mut) {
                entry.retain(|name, _| !self.fields.contains_key(name));
            }
            let Some(servers) = servers.as_object_mut() else { continue };
            servers.retain(|name, entry| name != NAME || entry != &json!({}));
            if servers.is_empty()
                && let Some(settings) = settings.as_object_mut()
            {
                settings.remove(SERVERS);
            }
        }
        if before == after { Ok(()) } else { Err(EntryError::Unsafe) }
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn value_of(field: &CstObjectProp) -> Option<Value> {
    field.value()?.to_serde_value()
}

/// Of a name that is there twice, readers choose each in their own way.
fn only_once(object: &CstObject, name: &str, path: &str) -> Result<(), EntryError> {
    let same = |field: &CstObjectProp| field.decoded_name().is_some_and(|found| found == name);
    if object.properties().iter().filter(|field| same(field)).count() > 1 {
        return Err(EntryError::Twice(path.to_owned()));
    }
    Ok(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(fields) => {
            CstInputValue::Object(fields.iter().map(|(name, value)| (name.clone(), input(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests;
