//! `ask_user`: a question to the person at an attached client, with a form for the answer.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use wharf_protocol::{CallOutcome, ToolError, ToolKind, ToolOutput};

use super::typed::{About, TypedTool};
use crate::arguments::lenient;
use crate::question::{Field, FieldKind, Question, Reply};
use crate::{CallContext, HostError};

/// How long a person may take.
const ANSWER_TIMEOUT_MS: u64 = 600_000;
const MESSAGE_MAX_BYTES: usize = 8 * 1024;
const FIELDS_MAX: usize = 20;
const OPTIONS_MAX: usize = 50;
/// Longest name, title, description or option.
const WORDS_MAX_BYTES: usize = 500;
/// Longest answer that is passed on.
const ANSWER_MAX_BYTES: usize = 16 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// What to ask.
    #[serde(alias = "question", alias = "prompt", alias = "text")]
    message: String,
    /// The form; default: one text.
    #[serde(default)]
    fields: Vec<FieldArgument>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FieldArgument {
    /// Names the value in the answer.
    name: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// With options: choice.
    #[serde(default, rename = "type")]
    kind: Option<Kind>,
    /// For choice and choices.
    #[serde(default, alias = "choices", alias = "enum")]
    options: Vec<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    optional: bool,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[serde(alias = "string")]
    Text,
    Number,
    Integer,
    Boolean,
    Choice,
    Choices,
}

pub(super) struct AskUser;

impl TypedTool for AskUser {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "ask_user",
            description: "Ask the user something that you cannot find out and need to go on. Not for permissions. Fails where nobody can be asked: then decide yourself and say so.",
            category: "planning",
            kind: ToolKind::Other,
            // Asked again after a restart, it does no harm.
            read_only: true,
            subject: None,
            timeout_ms: ANSWER_TIMEOUT_MS,
        }
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        let question = question(arguments)?;
        let Some(host) = context.clients.that(|offers| offers.forms) else {
            let text = "no attached client can ask the user. Decide yourself and say what you assumed";
            return Err(ToolError::Failed(text.into()));
        };
        let limit = Duration::from_millis(context.timeout_ms);
        let asking = host.ask(&context.call_id, &question, limit);
        let result = match context.unless_cancelled(asking).await? {
            Ok(Reply::Answered(values)) => answer(&question, &values)?,
            Ok(Reply::Declined) => "The user declined to answer.".to_owned(),
            Ok(Reply::Dismissed) => "The user closed the question without an answer.".to_owned(),
            Err(HostError::Silent { after_ms }) => {
                return Err(ToolError::TimedOut { after_ms, output: String::new() });
            }
            Err(error) => return Err(ToolError::Failed(format!("the user could not be asked: {error}"))),
        };
        Ok(ToolOutput::text(result))
    }
}

fn question(arguments: Arguments) -> Result<Question, ToolError> {
    let refused = |words: String| Err(ToolError::Failed(words));
    let Arguments { message, fields } = arguments;
    if message.trim().is_empty() || message.len() > MESSAGE_MAX_BYTES {
        return refused(format!("message: it must not be empty nor longer than {MESSAGE_MAX_BYTES} bytes"));
    }
    if fields.len() > FIELDS_MAX {
        return refused(format!("fields: at most {FIELDS_MAX}"));
    }
    let mut names = BTreeSet::new();
    let mut form = Vec::new();
    for FieldArgument { name, title, description, kind, options, optional } in fields {
        let words = [Some(&name), title.as_ref(), description.as_ref()].into_iter().flatten().chain(&options);
        if name.is_empty() || words.map(String::len).any(|len| len > WORDS_MAX_BYTES) {
            return refused(format!("fields: a name is empty, or a text longer than {WORDS_MAX_BYTES} bytes"));
        }
        if !names.insert(name.clone()) {
            return refused(format!("fields: {name:?} is there twice"));
        }
        let kind = match (kind, options.is_empty()) {
            (None | Some(Kind::Choice), false) => FieldKind::Choice(options),
            (Some(Kind::Choices), false) => FieldKind::Choices(options),
            (None | Some(Kind::Text), true) => FieldKind::Text,
            (Some(Kind::Number), true) => FieldKind::Number,
            (Some(Kind::Integer), true) => FieldKind::Integer,
            (Some(Kind::Boolean), true) => FieldKind::Boolean,
            _ => return refused(format!("{name}: options belong to choice and choices, and are needed there")),
        };
        if matches!(&kind, FieldKind::Choice(options) | FieldKind::Choices(options) if options.len() > OPTIONS_MAX) {
            return refused(format!("{name}: at most {OPTIONS_MAX} options"));
        }
        form.push(Field { name, title, description, kind, required: !optional });
    }
    if form.is_empty() {
        let kind = FieldKind::Text;
        form.push(Field { name: "answer".into(), title: None, description: None, kind, required: true });
    }
    Ok(Question { message, fields: form })
}

/// What the model is told: the fields that were asked for, nothing else.
fn answer(question: &Question, values: &Map<String, Value>) -> Result<String, ToolError> {
    let mut lines = Vec::new();
    for field in &question.fields {
        match values.get(&field.name) {
            Some(value) if field.kind.takes(value) => {
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                lines.push(format!("{}: {shown}", field.name));
            }
            None if !field.required => {}
            _ => {
                let text = format!("the client's answer has no usable value for {:?}", field.name);
                return Err(ToolError::Failed(text));
            }
        }
    }
    let mut text = format!("The user answered:\n{}", lines.join("\n"));
    text.truncate(text.floor_char_boundary(ANSWER_MAX_BYTES));
    Ok(text)
}

#[cfg(test)]
mod tests;
