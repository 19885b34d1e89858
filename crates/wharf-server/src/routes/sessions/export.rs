//! `GET /sessions/{session_id}/export`: the whole log as lines.

use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use wharf_engine::EngineError;
use wharf_protocol::export::MEDIA_TYPE;
use wharf_protocol::{EncodedEvent, ErrorCode, SessionId};

use crate::error::{Failure, Result};
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use crate::sse::stream_response;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("exportSession", "/api/v1/sessions/{session_id}/export", export)
        .about("sessions", "A session's log as a file")
        .details(
            "The first line describes the format and the session; then comes one event a line, up to the last one at the time of \
             the request. `POST /sessions/import` takes it.",
        )
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers_text(200, "The lines.", MEDIA_TYPE)
        .fails(&[ErrorCode::SessionNotFound, ErrorCode::SessionDamaged])
}

async fn export(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Response> {
    let session_id = path.session_id;
    let (head, events) = principal.access.export_session(&session_id).await?;
    let mut first = serde_json::to_vec(&head)
        .map_err(|error| Failure::from(EngineError::Internal(format!("an export's first line: {error}"))))?;
    first.push(b'\n');
    let pages = stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        match events.next().await {
            Ok(page) if page.is_empty() => None,
            Ok(page) => Some((Ok(lines(&page)), Some(events))),
            // The answer has begun: that it breaks off tells the client that it is not whole.
            Err(error) => {
                tracing::warn!(%error, "an export broke off");
                Some((Err(std::io::Error::other("the export broke off")), None))
            }
        }
    });
    let body = Body::from_stream(stream::iter([Ok(Bytes::from(first))]).chain(pages));
    let mut response = stream_response(body, MEDIA_TYPE, Some(&session_id));
    // An id has no character that would have to be escaped.
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{session_id}.jsonl\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn lines(events: &[EncodedEvent]) -> Bytes {
    let mut out = Vec::with_capacity(events.iter().map(|event| event.json.len() + 1).sum());
    for event in events {
        out.extend_from_slice(&event.json);
        out.push(b'\n');
    }
    out.into()
}
