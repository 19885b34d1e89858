//! `POST /sessions/import`: a session made of an export, read line by line.

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use futures_util::StreamExt;
use wharf_engine::Import;
use wharf_protocol::export::{ExportHead, LINE_MAX_BYTES, MEDIA_TYPE};
use wharf_protocol::rest::ImportSession;
use wharf_protocol::{ErrorCode, Session};

use crate::app::App;
use crate::budget::Full;
use crate::error::{Failure, Result};
use crate::extract::{QueryOf, no_room};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

/// Longest export that is taken. It is never held as a whole; what is held is the conversation in it.
const IMPORT_MAX_BYTES: usize = 256 << 20;

pub(super) fn operation() -> Operation {
    Operation::post("importSession", "/api/v1/sessions/import", import)
        .about("sessions", "Make a session of an export")
        .details(
            "The body is what `GET /sessions/{session_id}/export` answers: a line that describes the session, then one event a \
             line. Nothing of it runs, and what was unfinished is ended. The permission mode is this server's own and remembered \
             answers to permissions are not taken over: an export from elsewhere allows nothing. A line that is not right is \
             named in the error, and nothing is made.",
        )
        .scope(Scope::SessionsWrite)
        .query::<ImportSession>()
        .body_of_lines::<ExportHead>(MEDIA_TYPE)
        .answers::<Session>(200, "The new session.")
        .fails(&[
            ErrorCode::AgentNotFound,
            ErrorCode::AlreadyExists,
            ErrorCode::PayloadTooLarge,
            ErrorCode::ProviderError,
        ])
}

async fn import(
    State(app): State<App>,
    Extension(principal): Asker,
    QueryOf(wanted): QueryOf<ImportSession>,
    body: Body,
) -> Result<Json<Session>> {
    let mut import = principal.access.import_session(wanted)?;
    read_lines(&app, body, &mut import).await?;
    Ok(Json(import.finish().await?))
}

async fn read_lines(app: &App, body: Body, import: &mut Import) -> Result<()> {
    let too_large =
        |bytes: usize, of: &str| Failure::new(ErrorCode::PayloadTooLarge, format!("{of} may have {bytes} bytes"));
    let held = app.budget.hold();
    let mut pieces = body.into_data_stream();
    let (mut line, mut total) = (Vec::new(), 0_usize);
    loop {
        let piece = tokio::time::timeout(app.config.timeouts.body, pieces.next()).await;
        let piece = piece.map_err(|_| Failure::new(ErrorCode::BadRequest, "the body came too slowly"))?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| Failure::new(ErrorCode::BadRequest, "the body ended early"))?;
        total = total.saturating_add(piece.len());
        if total > IMPORT_MAX_BYTES {
            return Err(too_large(IMPORT_MAX_BYTES, "an import"));
        }
        held.grow(piece.len()).map_err(|Full| no_room())?;
        let mut rest = &piece[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            if line.len() > LINE_MAX_BYTES {
                return Err(too_large(LINE_MAX_BYTES, "a line of an import"));
            }
            import.line(&line).await?;
            held.shrink(line.len() + 1);
            line.clear();
        }
        line.extend_from_slice(rest);
        if line.len() > LINE_MAX_BYTES {
            return Err(too_large(LINE_MAX_BYTES, "a line of an import"));
        }
    }
    Ok(import.line(&line).await?)
}
