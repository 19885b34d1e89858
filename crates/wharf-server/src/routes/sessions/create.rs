//! `POST /sessions`

use axum::extract::State;
use axum::{Extension, Json};
use wharf_protocol::rest::CreateSession;
use wharf_protocol::{ErrorCode, Session};

use crate::app::App;
use crate::error::Result;
use crate::extract::OptionalBody;
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("createSession", "/api/v1/sessions", create)
        .about("sessions", "Begin a session")
        .scope(Scope::SessionsWrite)
        .optional_body::<CreateSession>()
        .answers::<Session>(200, "The new session.")
        .fails(&[
            ErrorCode::AgentNotFound,
            ErrorCode::AlreadyExists,
            ErrorCode::MaxSessionsReached,
            ErrorCode::ProviderError,
        ])
}

async fn create(
    State(app): State<App>,
    Extension(principal): Asker,
    OptionalBody(request): OptionalBody<CreateSession>,
) -> Result<Json<Session>> {
    if !request.mcp_servers.is_empty() {
        // A server is a program that runs here, or an address that this machine asks.
        app.gate.allow(&principal, Scope::ToolsExecute, request.session_id.as_ref()).await?;
    }
    Ok(Json(principal.access.create_session(request).await?))
}
