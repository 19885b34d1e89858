//! Whose a reply's opaque data is: signatures and encrypted reasoning go back to the model that made them, and to no other.

use serde_json::Value;
use wharf_protocol::Message;
use wharf_protocol::model::{ModelReply, Protocol};

/// The keys under which provider data says where it came from.
const MODEL: &str = "model";
const PROTOCOL: &str = "protocol";
const ENDPOINT: &str = "endpoint";

/// One model at one endpoint on one wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `provider/name`
    pub(crate) id: String,
    pub(crate) protocol: Protocol,
    /// Host and port, and nothing of a URL that could be secret.
    pub(crate) endpoint: String,
}

impl Origin {
    /// Marks what the provider wants back with the model that it came from.
    pub(crate) fn sign(&self, reply: &mut ModelReply) {
        let calls = reply.tool_calls.iter_mut().map(|call| &mut call.provider_data);
        for data in calls.chain([&mut reply.provider_data]) {
            if let Some(Value::Object(fields)) = data {
                fields.insert(MODEL.to_owned(), Value::String(self.id.clone()));
                fields.insert(PROTOCOL.to_owned(), Value::String(self.protocol.as_str().to_owned()));
                fields.insert(ENDPOINT.to_owned(), Value::String(self.endpoint.clone()));
            }
        }
    }

    /// The data, where it came from here.
    pub(crate) fn own<'a>(&self, data: Option<&'a Value>) -> Option<&'a Value> {
        data.filter(|data| self.made(data))
    }

    /// Reasoning that another model showed. This one is told it in plain words: as its own it would be refused, or misunderstood.
    pub(crate) fn foreign_reasoning<'a>(&self, message: &'a Message) -> Option<&'a str> {
        let data = message.provider_data.as_ref().filter(|data| data.get(MODEL).is_some())?;
        (!self.made(data) && !message.reasoning.trim().is_empty()).then_some(message.reasoning.as_str())
    }

    fn made(&self, data: &Value) -> bool {
        let said = |key: &str| data.get(key).and_then(Value::as_str);
        // Logs of earlier versions name the model alone; there was one wire then.
        said(MODEL) == Some(&self.id)
            && said(PROTOCOL).unwrap_or(Protocol::Openai.as_str()) == self.protocol.as_str()
            && said(ENDPOINT).is_none_or(|endpoint| endpoint == self.endpoint)
    }
}
