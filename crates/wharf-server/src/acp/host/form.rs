//! A question to the user as a form of the client's.

use agent_client_protocol_schema::v1 as acp;
use serde_json::{Map, Value};
use wharf_engine::{Field, FieldKind, Question, Reply};
use wharf_protocol::CallId;

pub(super) fn request(session: acp::SessionId, call: &CallId, question: &Question) -> acp::CreateElicitationRequest {
    let schema = question.fields.iter().fold(acp::ElicitationSchema::new(), |schema, field| {
        schema.property(field.name.as_str(), property(field), field.required)
    });
    let scope = acp::ElicitationSessionScope::new(session).tool_call_id(acp::ToolCallId::new(call.as_str()));
    acp::CreateElicitationRequest::new(acp::ElicitationFormMode::new(scope, schema), question.message.as_str())
}

fn property(field: &Field) -> acp::ElicitationPropertySchema {
    let Field { title, description, kind, .. } = field;
    let (title, description) = (title.clone(), description.clone());
    match kind {
        FieldKind::Text => acp::StringPropertySchema::new().title(title).description(description).into(),
        FieldKind::Number => acp::NumberPropertySchema::new().title(title).description(description).into(),
        FieldKind::Integer => acp::IntegerPropertySchema::new().title(title).description(description).into(),
        FieldKind::Boolean => acp::BooleanPropertySchema::new().title(title).description(description).into(),
        FieldKind::Choice(options) => {
            let property = acp::StringPropertySchema::new().title(title).description(description);
            property.enum_values(options.clone()).into()
        }
        FieldKind::Choices(options) => {
            acp::MultiSelectPropertySchema::new(options.clone()).title(title).description(description).into()
        }
    }
}

pub(super) fn reply(answer: acp::CreateElicitationResponse) -> Reply {
    match answer.action {
        acp::ElicitationAction::Accept(accepted) => {
            let values = accepted.content.unwrap_or_default().into_iter();
            Reply::Answered(values.map(|(name, value)| (name, json(value))).collect::<Map<_, _>>())
        }
        acp::ElicitationAction::Decline => Reply::Declined,
        _ => Reply::Dismissed,
    }
}

fn json(value: acp::ElicitationContentValue) -> Value {
    match value {
        acp::ElicitationContentValue::String(text) => text.into(),
        acp::ElicitationContentValue::Integer(number) => number.into(),
        acp::ElicitationContentValue::Number(number) => number.into(),
        acp::ElicitationContentValue::Boolean(flag) => flag.into(),
        acp::ElicitationContentValue::StringArray(texts) => texts.into(),
        _ => Value::Null,
    }
}
