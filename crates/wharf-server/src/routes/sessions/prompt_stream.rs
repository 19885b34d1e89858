//! `POST /sessions/{session_id}/prompt/stream`: the turn as frames, one a line.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use wharf_engine::Accepted;
use wharf_protocol::frame::Frame;
use wharf_protocol::{ErrorCode, Prompt, SessionId};

use super::CHANGE_FAILS;
use super::prompt::{PROMPT_FAILS, PromptQuery, accept};
use crate::app::App;
use crate::error::Result;
use crate::escape::push_json;
use crate::extract::{JsonBody, Params, QueryOf};
use crate::gate::Principal;
use crate::presence::Present;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use crate::sse::stream_response;
use crate::turn_frames::TurnFrames;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("promptStream", "/api/v1/sessions/{session_id}/prompt/stream", prompt)
        .about("prompts", "Ask the agent, and follow the turn as frames")
        .details("One JSON object a line, up to `complete` or `error`. Leaving early does not stop the turn.")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .query::<PromptQuery>()
        .header("Idempotency-Key", "In place of `id` in the body: makes the request safe to repeat.")
        .body::<Prompt>()
        .answers_text(200, "The frames.", "application/x-ndjson")
        .fails(&CHANGE_FAILS)
        .fails(&PROMPT_FAILS)
        .fails(&[ErrorCode::CursorExpired])
}

async fn prompt(
    State(app): State<App>,
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(query): QueryOf<PromptQuery>,
    headers: HeaderMap,
    JsonBody(prompt): JsonBody<Prompt>,
) -> Result<Response> {
    let accepted = accept(&principal, &path.session_id, &headers, prompt).await?;
    frames(app, &principal, path.session_id, &accepted, query.answers.unwrap_or(false)).await
}

/// The answer that follows a turn.
pub(super) async fn frames(
    app: App,
    principal: &Principal,
    session_id: SessionId,
    accepted: &Accepted,
    answers: bool,
) -> Result<Response> {
    let frames = TurnFrames::follow(&app, principal, &session_id, accepted, answers).await?;
    let present = Present::new(&app.presence.sse);
    let body = Body::from_stream(stream::unfold((frames, present), |(mut frames, present)| async move {
        let batch = frames.next().await?;
        Some((Ok::<_, Infallible>(lines(&batch)), (frames, present)))
    }));
    Ok(stream_response(body, "application/x-ndjson", Some(&session_id)))
}

fn lines(frames: &[Frame]) -> Bytes {
    let (mut out, mut json) = (Vec::with_capacity(frames.len() * 128), Vec::with_capacity(128));
    for frame in frames {
        json.clear();
        match serde_json::to_writer(&mut json, frame) {
            Ok(()) => push_json(&mut out, &json),
            Err(error) => {
                tracing::error!(%error, "a frame cannot be written");
                continue;
            }
        }
        out.push(b'\n');
    }
    out.into()
}
