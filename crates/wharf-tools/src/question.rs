//! A question to the user: a message, and a form of a few fields.

use serde_json::{Map, Value};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub message: String,
    /// In the order in which they are shown; names differ.
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Names the value in the answer.
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub kind: FieldKind,
    pub required: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    Text,
    Number,
    Integer,
    Boolean,
    /// One of these.
    Choice(Vec<String>),
    /// Any of these.
    Choices(Vec<String>),
}

/// What the user did with a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// By field name. As the client says: what was not asked for may be there, and what was asked for may be missing.
    Answered(Map<String, Value>),
    Declined,
    /// Closed without a choice.
    Dismissed,
}

impl FieldKind {
    /// Whether a value is an answer to such a field.
    #[must_use]
    pub fn takes(&self, value: &Value) -> bool {
        let is_one_of =
            |options: &[String], value: &Value| value.as_str().is_some_and(|it| options.iter().any(|o| o == it));
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Choice(options) => is_one_of(options, value),
            Self::Choices(options) => {
                value.as_array().is_some_and(|values| values.iter().all(|value| is_one_of(options, value)))
            }
        }
    }
}
