//! `POST /sessions/{session_id}/prompt`: waits for the turn, answers at once, or streams it; the client chooses.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use wharf_engine::Accepted;
use wharf_protocol::rest::{PromptAnswer, PromptStatus};
use wharf_protocol::{ErrorCode, MessageId, Prompt, SessionId, Turn, TurnStatus};

use super::{CHANGE_FAILS, prompt_stream};
use crate::app::App;
use crate::error::{Failure, Result};
use crate::extract::{JsonBody, Params, QueryOf, accepts, header, unquoted};
use crate::gate::Principal;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use crate::sse::{EventStream, Source, TurnMark};
use wharf_protocol::Scope;

/// What a prompt can meet.
pub(super) const PROMPT_FAILS: [ErrorCode; 3] =
    [ErrorCode::SessionBusy, ErrorCode::QueueFull, ErrorCode::IdempotencyMismatch];

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PromptQuery {
    /// Of a streamed answer: `true` counts the client as somebody who may answer permissions.
    pub(super) answers: Option<bool>,
}

pub(super) fn operation() -> Operation {
    Operation::post("prompt", "/api/v1/sessions/{session_id}/prompt", prompt)
        .about("prompts", "Ask the agent")
        .details(
            "Waits for the turn; on a busy session it answers `queued` at once. With `Prefer: respond-async` it answers as \
             soon as the prompt is accepted. With `Accept: text/event-stream` it streams the turn's events, with \
             `Accept: application/x-ndjson` its frames; leaving early does not stop the turn. The `stream` field of the body \
             has a meaning on `/prompt/stream` only.",
        )
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .query::<PromptQuery>()
        .header("Idempotency-Key", "In place of `id` in the body: makes the request safe to repeat.")
        .header("Prefer", "`respond-async`: do not wait for the turn.")
        .body::<Prompt>()
        .answers::<PromptAnswer>(200, "The turn has ended, or the prompt is queued.")
        .answers_text(200, "The turn as it happens.", "text/event-stream")
        .answers_text(200, "The turn as it happens.", "application/x-ndjson")
        .answers::<PromptAnswer>(202, "The prompt is accepted.")
        .fails(&CHANGE_FAILS)
        .fails(&PROMPT_FAILS)
        .fails(&[ErrorCode::CursorExpired, ErrorCode::ProviderError, ErrorCode::Timeout])
}

async fn prompt(
    State(app): State<App>,
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(query): QueryOf<PromptQuery>,
    headers: HeaderMap,
    JsonBody(prompt): JsonBody<Prompt>,
) -> Result<Response> {
    let session_id = path.session_id;
    let accepted = accept(&principal, &session_id, &headers, prompt).await?;
    let answers = query.answers.unwrap_or(false);
    if accepts(&headers, "text/event-stream") {
        return events(app, &principal, session_id, &accepted, answers).await;
    }
    if accepts(&headers, "application/x-ndjson") {
        return prompt_stream::frames(app, &principal, session_id, &accepted, answers).await;
    }
    if prefers_async(&headers)? {
        let turn_is_over = match accepted.position {
            Some(_) => None,
            None => {
                Some(principal.access.turn(&session_id, &accepted.turn_id).await?).filter(|turn| turn.status.is_final())
            }
        };
        let body = match turn_is_over {
            // The prompt was accepted, whatever became of its turn.
            Some(turn) => Json(ended(session_id, accepted.message_id, turn)),
            None => Json(at_once(session_id, accepted)),
        };
        return Ok((StatusCode::ACCEPTED, [("preference-applied", "respond-async")], body).into_response());
    }
    if accepted.position.is_some() {
        return Ok(Json(at_once(session_id, accepted)).into_response());
    }
    // However long it takes; when the client leaves, only the waiting ends.
    let turn = principal.access.wait_turn(&session_id, &accepted.turn_id).await?;
    Ok(Json(answer(session_id, accepted.message_id, turn)?).into_response())
}

/// Takes a prompt in. The id may come as a header.
pub(super) async fn accept(
    principal: &Principal,
    session_id: &SessionId,
    headers: &HeaderMap,
    mut prompt: Prompt,
) -> Result<Accepted> {
    if let Some(key) = header(headers, "idempotency-key")? {
        let key = unquoted(key).map_err(|reason| Failure::invalid("Idempotency-Key", reason))?;
        let id: MessageId = key.parse().map_err(|error| Failure::invalid("Idempotency-Key", error))?;
        if prompt.id.as_ref().is_some_and(|other| *other != id) {
            return Err(Failure::invalid("Idempotency-Key", "differs from `id` in the body"));
        }
        prompt.id = Some(id);
    }
    Ok(principal.access.prompt(session_id, prompt).await?)
}

async fn events(
    app: App,
    principal: &Principal,
    session_id: SessionId,
    accepted: &Accepted,
    answers: bool,
) -> Result<Response> {
    let cursor = app.gate.open_turn(principal, &session_id, accepted, answers).await?;
    let connected = json!({
        "session_id": session_id,
        "message_id": accepted.message_id,
        "turn_id": accepted.turn_id,
        "last_seq": cursor.last_seq(),
    });
    let source = Source::Turn(cursor, TurnMark::new(&accepted.turn_id));
    Ok(EventStream::new(app, source, &connected, Some(&session_id)).into_response(Some(&session_id)))
}

fn prefers_async(headers: &HeaderMap) -> Result<bool> {
    let names = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|text| text.split([',', ';']).any(|name| name.trim().eq_ignore_ascii_case("respond-async")))
    };
    Ok(headers.get_all("prefer").iter().any(names))
}

fn at_once(session_id: SessionId, accepted: Accepted) -> PromptAnswer {
    PromptAnswer {
        session_id,
        message_id: accepted.message_id,
        turn_id: accepted.turn_id,
        status: if accepted.position.is_some() { PromptStatus::Queued } else { PromptStatus::Streaming },
        position: accepted.position,
        response: None,
        usage: None,
        cost: None,
        stop_reason: None,
    }
}

/// A turn that failed is an error here: that is how clients of the design learn it.
fn answer(session_id: SessionId, message_id: MessageId, turn: Turn) -> Result<PromptAnswer> {
    if turn.status == TurnStatus::Failed
        && let Some(mut error) = turn.error
    {
        let mut details = json!({ "session_id": session_id, "message_id": message_id, "turn_id": turn.turn_id });
        if let (Some(own), Some(fields)) = (error.details.take(), details.as_object_mut()) {
            fields.insert("cause".to_owned(), own);
        }
        return Err(error.with_details(details).into());
    }
    Ok(ended(session_id, message_id, turn))
}

fn ended(session_id: SessionId, message_id: MessageId, turn: Turn) -> PromptAnswer {
    PromptAnswer {
        session_id,
        message_id,
        turn_id: turn.turn_id,
        status: turn.status.into(),
        position: None,
        response: turn.response,
        usage: turn.usage,
        cost: turn.cost,
        stop_reason: turn.stop_reason,
    }
}
