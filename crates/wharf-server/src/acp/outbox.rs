//! What goes to one client: frames in order, bounded in size and number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_client_protocol_schema::v1 as acp;
use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wharf_protocol::{Seq, SessionId};

use super::content::text_block;
use super::method::Ours;
use super::rpc::{self, Id, RpcError};
use crate::websocket::Outgoing;

/// Longest message. Clients give up at 10 MiB, some of them counting characters after decoding.
pub(super) const MESSAGE_BYTES: usize = 8 << 20;

/// The key of our `_meta`, in both directions.
pub(super) const META: &str = "_wharf";

/// The client's writer. Senders wait while it is full, so a slow client slows its own sessions' rendering and nobody else.
#[derive(Clone)]
pub(super) struct Outbox {
    out: mpsc::Sender<Outgoing>,
    /// The client's requests without an answer that it may take back; prompts have their own way.
    open: Arc<Mutex<HashMap<Id, CancellationToken>>>,
}

/// The client has gone.
#[derive(Debug)]
pub(super) struct Gone;

impl Outbox {
    pub(super) fn new(out: mpsc::Sender<Outgoing>) -> Self {
        Self { out, open: Arc::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Id, CancellationToken>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that is to be answered here. Cancelled, it may end with [`RpcError::cancelled`].
    pub(super) fn opened(&self, id: &Id) {
        self.open().insert(id.clone(), CancellationToken::new());
    }

    /// Never cancelled for a request that cannot be taken back.
    pub(super) fn token(&self, id: &Id) -> CancellationToken {
        self.open().get(id).cloned().unwrap_or_default()
    }

    /// The client takes a request back, if it has no answer yet.
    pub(super) fn cancel(&self, id: &Id) {
        if let Some(token) = self.open().get(id) {
            token.cancel();
        }
    }

    pub(super) async fn close(&self, code: u16, reason: &'static str) {
        // The client may be gone already.
        let _ = self.out.send(Outgoing::Close(code, reason)).await;
    }

    pub(super) async fn send(&self, frames: Vec<Utf8Bytes>) -> Result<(), Gone> {
        if frames.is_empty() {
            return Ok(());
        }
        self.out.send(Outgoing::Frames(frames)).await.map_err(|_| Gone)
    }

    pub(super) async fn answer(&self, id: &Id, outcome: Result<impl Serialize, RpcError>) -> Result<(), Gone> {
        self.open().remove(id);
        let frame = match outcome {
            Ok(result) => rpc::response(id, &result),
            Err(error) => rpc::error(id, &error),
        };
        self.send(vec![frame]).await
    }
}

/// Which event an update renders, and which of the updates that it renders as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: Seq,
    /// 0 is the first.
    pub(super) part: usize,
    pub(super) parts: usize,
}

/// `session/update`. The place is only for clients that asked for it.
pub(super) fn update(session: &SessionId, update: acp::SessionUpdate, place: Option<Place>) -> Utf8Bytes {
    let mut message = acp::SessionNotification::new(acp::SessionId::new(session.as_str()), update);
    if let Some(Place { seq, part, parts }) = place {
        let mut meta = acp::Meta::new();
        meta.insert(META.to_owned(), json!({ "seq": seq, "part": part, "parts": parts }));
        message.meta = Some(meta);
    }
    let frame = rpc::notification(Ours::SessionUpdate, &message);
    if frame.as_str().len() <= MESSAGE_BYTES {
        return frame;
    }
    shrink(&mut message.update, frame.as_str().len());
    rpc::notification(Ours::SessionUpdate, &message)
}

/// Leaves out what makes an update too large. Texts of messages are cut into pieces before; what is left are media, and
/// calls with very large arguments, results or diffs. The log keeps everything.
fn shrink(update: &mut acp::SessionUpdate, bytes: usize) {
    let note = format!("[{} KiB: too large to be shown here]", bytes >> 10);
    match update {
        acp::SessionUpdate::UserMessageChunk(chunk)
        | acp::SessionUpdate::AgentMessageChunk(chunk)
        | acp::SessionUpdate::AgentThoughtChunk(chunk) => chunk.content = text_block(note),
        acp::SessionUpdate::ToolCall(call) => {
            call.content = vec![text_block(note).into()];
            (call.raw_input, call.raw_output) = (None, None);
        }
        acp::SessionUpdate::ToolCallUpdate(call) => shrink_call(&mut call.fields, note),
        _ => {}
    }
}

fn shrink_call(fields: &mut acp::ToolCallUpdateFields, note: String) {
    fields.content = Some(vec![text_block(note).into()]);
    (fields.raw_input, fields.raw_output) = (None, None);
}

/// `session/request_permission`.
pub(super) fn permission(id: &Id, mut request: acp::RequestPermissionRequest) -> Utf8Bytes {
    let frame = rpc::request(id, Ours::RequestPermission, &request);
    if frame.as_str().len() <= MESSAGE_BYTES {
        return frame;
    }
    shrink_call(
        &mut request.tool_call.fields,
        format!("[{} KiB: too large to be shown here]", frame.as_str().len() >> 10),
    );
    rpc::request(id, Ours::RequestPermission, &request)
}

/// The question is settled: its dialog may close.
pub(super) fn cancel_request(id: &Id) -> Utf8Bytes {
    let id = id.text().unwrap_or_default();
    rpc::notification(Ours::CancelRequest, &acp::CancelRequestNotification::new(id))
}
