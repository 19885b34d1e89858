//! `GET /info`: what the server can do, and its limits.

use axum::extract::State;
use axum::{Extension, Json};
use wharf_protocol::PROTOCOL_VERSION;
use wharf_protocol::rest::{Info, Limits};

use crate::app::App;
use crate::route::Operation;
use crate::routes::Asker;

const CAPABILITIES: [&str; 11] = [
    "sessions",
    "streaming",
    "websocket",
    "sse",
    "events",
    "queue",
    "permissions",
    "timeline",
    "tools",
    "agents",
    "commands",
];

pub(super) fn operation() -> Operation {
    Operation::get("getInfo", "/api/v1/info", info)
        .about("server", "What the server can do, and its limits")
        .answers::<Info>(200, "Capabilities, agents and limits.")
}

async fn info(State(app): State<App>, Extension(principal): Asker) -> Json<Info> {
    Json(Info {
        name: "wharf".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_version: PROTOCOL_VERSION.to_owned(),
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
        agents: principal.access.agents().iter().map(|agent| agent.name.clone()).collect(),
        tools_count: principal.access.tools().len(),
        limits: limits(&app),
        containment: principal.access.containment().await,
    })
}

/// Those of the start, but for the engine's own, which a running server may take over from a changed configuration.
fn limits(app: &App) -> Limits {
    let now = &app.engine.config().limits;
    Limits {
        prompt_text_bytes: now.prompt_text_bytes,
        queued_prompts: now.queued_prompts,
        live_sessions: now.live_sessions,
        tool_output_bytes: now.tool_output_bytes,
        model_idle_ms: now.model_idle_ms,
        ..app.config.limits.clone()
    }
}
