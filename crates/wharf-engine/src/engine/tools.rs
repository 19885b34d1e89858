//! Tools, as clients ask for them: which there are, one that is to run, the permissions of those that wait, and the clients that
//! do some of their work.

use std::sync::Arc;

use serde_json::Value;
use wharf_core::{Answer, Core, Input};
use wharf_protocol::rest::{AnswerPermission, Containment, ExecuteTool, PermissionAnswered, Permissions, ToolExecuted};
use wharf_protocol::{CallId, EncodedEvent, EventBody, EventKind, PermissionId, SessionId, ToolSpec};
use wharf_tools::{ClientHost, ClientTool};

use super::checks::loggable;
use super::{Access, PAGE_BYTES};
use crate::EngineError;
use crate::clients::Offer;
use crate::cursor::Watcher;

impl Access {
    pub async fn permissions(&self, session: &SessionId) -> Result<Permissions, EngineError> {
        let permissions = self.shared.look(session, Core::permissions).await?;
        Ok(Permissions { session_id: session.clone(), permissions })
    }

    /// Answers a permission; the first answer counts.
    pub async fn answer(
        &self,
        session: Option<&SessionId>,
        permission: &PermissionId,
        answer: AnswerPermission,
    ) -> Result<PermissionAnswered, EngineError> {
        let AnswerPermission { option, message } = answer;
        let session = match session {
            Some(session) => session.clone(),
            None => self
                .shared
                .permissions
                .session(permission)
                .ok_or_else(|| EngineError::PermissionNotFound(permission.clone()))?,
        };
        let input = Input::Answer { permission_id: permission.clone(), option, by: self.caller.by(), message };
        self.ask(&session, input).await?;
        Ok(PermissionAnswered { status: "resolved".to_owned(), permission_id: permission.clone(), option })
    }

    /// Whether commands run in a process namespace of their own. The first answer takes the time of one attempt.
    pub async fn containment(&self) -> Containment {
        let tools = self.shared.tools.clone();
        tokio::task::spawn_blocking(move || tools.containment()).await.unwrap_or_default()
    }

    #[must_use]
    pub fn tools(&self) -> Arc<[Arc<ToolSpec>]> {
        self.shared.tools.specs()
    }

    /// Runs one tool on a client's behalf: through the session's policy, on its log.
    pub async fn execute_tool(&self, name: &str, request: ExecuteTool) -> Result<ToolExecuted, EngineError> {
        let ExecuteTool { session_id, arguments } = request;
        if self.shared.tools.get(name).is_none() {
            // Only a session knows the tools of its MCP servers and of its clients.
            if !name.starts_with("mcp__") && !name.starts_with(ClientTool::PREFIX) {
                return Err(EngineError::ToolNotFound(name.to_owned()));
            }
            self.tools_of(&session_id).await?;
        }
        let arguments = match arguments {
            Value::Null => Value::Object(serde_json::Map::new()),
            Value::Object(_) => arguments,
            _ => return Err(EngineError::Invalid { field: "arguments", reason: "must be an object".to_owned() }),
        };
        loggable("arguments", &arguments)?;
        let mut cursor = self.watch(&session_id, None, Watcher { may_answer: false }).await?;
        let input = Input::Execute { tool_name: name.to_owned(), arguments, by: self.caller.by() };
        let Answer::Call(call_id) = self.ask(&session_id, input).await? else {
            return Err(EngineError::Internal("a call was not answered with its id".to_owned()));
        };
        loop {
            for event in cursor.next(PAGE_BYTES).await? {
                if let Some((success, result, duration_ms)) = call_end(&event, &call_id) {
                    let tool_name = name.to_owned();
                    return Ok(ToolExecuted { session_id, call_id, tool_name, success, result, duration_ms });
                }
            }
        }
    }

    /// What an attached client does for the session's tools from here on, until the offer is dropped.
    #[must_use]
    pub fn offer(&self, session: &SessionId, host: Arc<dyn ClientHost>) -> Offer {
        let has_tools = host.offers().tools;
        let offer = self.shared.clients.add(session, Arc::clone(&host));
        if has_tools {
            let discovering = offer.discovering(host);
            let stop = self.shared.stop.clone();
            self.shared.tasks.spawn(async move { stop.run_until_cancelled(discovering).await });
        }
        offer
    }
}

fn call_end(event: &EncodedEvent, wanted: &CallId) -> Option<(bool, String, u64)> {
    if !matches!(event.kind, EventKind::ToolCallComplete | EventKind::ToolCallError) {
        return None;
    }
    match event.decode().ok()?.body {
        EventBody::ToolCallComplete(done) if done.call_id == *wanted => Some((true, done.result, done.duration_ms)),
        EventBody::ToolCallError(failed) if failed.call_id == *wanted => {
            Some((false, wharf_core::told(&failed), failed.duration_ms))
        }
        _ => None,
    }
}
