//! One turn as frames: what `/prompt/stream` and a WebSocket prompt are answered with.

use std::collections::HashMap;

use tokio::time::{Instant, sleep_until};
use wharf_engine::{Accepted, Cursor};
use wharf_protocol::frame::{Frame, FrameBody};
use wharf_protocol::{ApiError, CallId, EncodedEvent, ErrorCode, EventBody, Seq, SessionId, TurnId};

use crate::app::App;
use crate::error::Failure;
use crate::gate::Principal;
use crate::sse::TurnMark;

/// Events pulled at a time, in bytes.
const BATCH_BYTES: usize = 32 << 10;
/// Text of one frame: with every character escaped it still stays below the 1 MiB that clients take.
const CHUNK_BYTES: usize = 160 << 10;

/// The frames of a turn, from its prompt to its end.
pub(crate) struct TurnFrames {
    app: App,
    cursor: Cursor,
    turn_id: TurnId,
    mark: TurnMark,
    last_seq: Seq,
    ping_at: Instant,
    text_seen: bool,
    /// Progress does not repeat the tool's name.
    tool_names: HashMap<CallId, String>,
    ended: bool,
}

impl TurnFrames {
    /// Follows a prompt that was accepted.
    pub(crate) async fn follow(
        app: &App,
        principal: &Principal,
        session_id: &SessionId,
        accepted: &Accepted,
        answers: bool,
    ) -> Result<Self, Failure> {
        let cursor = app.gate.open_turn(principal, session_id, accepted, answers).await?;
        Ok(Self {
            cursor,
            turn_id: accepted.turn_id.clone(),
            mark: TurnMark::new(&accepted.turn_id),
            last_seq: accepted.seq,
            ping_at: Instant::now() + app.config.timeouts.keep_alive,
            text_seen: false,
            tool_names: HashMap::new(),
            ended: false,
            app: app.clone(),
        })
    }

    /// The next frames, at least one; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Vec<Frame>> {
        if self.ended {
            return None;
        }
        let mut frames = Vec::new();
        while frames.is_empty() {
            tokio::select! {
                biased;
                () = self.app.closing.cancelled() => {
                    let error = ApiError::new(ErrorCode::Unavailable, "the server is stopping; come back for the turn");
                    frames.push(self.end_with(error));
                }
                batch = self.cursor.next(BATCH_BYTES) => match batch {
                    Ok(events) => {
                        self.app.metrics.count_streamed(events.len(), 0);
                        self.render(&events, &mut frames);
                    }
                    Err(error) => frames.push(self.end_with(Failure::from(error).into_api())),
                },
                () = sleep_until(self.ping_at) => frames.push(self.frame(FrameBody::Ping)),
            }
        }
        self.ping_at = Instant::now() + self.app.config.timeouts.keep_alive;
        Some(frames)
    }

    fn render(&mut self, events: &[EncodedEvent], frames: &mut Vec<Frame>) {
        for event in events {
            if !self.mark.is_on(event) {
                continue;
            }
            let event = match event.decode() {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(%error, seq = event.seq.0, "an event cannot be read back");
                    frames.push(self.end_with(ApiError::new(ErrorCode::InternalError, "internal error")));
                    return;
                }
            };
            self.last_seq = event.seq;
            if let EventBody::TurnCompleted(done) = &event.body
                && !self.text_seen
                && !done.response.is_empty()
            {
                // The chunks of an old turn may be gone; its text is not.
                self.push_chunk(done.response.clone(), frames);
            }
            let Some(frame) = Frame::render(&event, &self.turn_id) else { continue };
            self.ended = frame.is_last();
            self.push(frame, frames);
            if self.ended {
                return;
            }
        }
    }

    fn push(&mut self, mut frame: Frame, frames: &mut Vec<Frame>) {
        match &mut frame.body {
            FrameBody::Chunk { content } => {
                let content = std::mem::take(content);
                return self.push_chunk(content, frames);
            }
            FrameBody::Tool(tool) if tool.tool_name.is_empty() => {
                if let Some(name) = self.tool_names.get(&tool.tool_id) {
                    tool.tool_name.clone_from(name);
                }
            }
            FrameBody::Tool(tool) if tool.success.is_none() => {
                self.tool_names.insert(tool.tool_id.clone(), tool.tool_name.clone());
            }
            FrameBody::Tool(tool) => {
                self.tool_names.remove(&tool.tool_id);
            }
            _ => {}
        }
        frames.push(frame);
    }

    /// Long texts become several frames.
    fn push_chunk(&mut self, mut content: String, frames: &mut Vec<Frame>) {
        self.text_seen = true;
        while content.len() > CHUNK_BYTES {
            let rest = content.split_off(content.floor_char_boundary(CHUNK_BYTES));
            frames.push(self.frame(FrameBody::Chunk { content }));
            content = rest;
        }
        frames.push(self.frame(FrameBody::Chunk { content }));
    }

    fn frame(&self, body: FrameBody) -> Frame {
        Frame { seq: self.last_seq, turn_id: self.turn_id.clone(), body }
    }

    fn end_with(&mut self, error: ApiError) -> Frame {
        self.ended = true;
        self.frame(FrameBody::Error { error: error.error, code: error.code, retryable: error.retryable })
    }
}
