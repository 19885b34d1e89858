//! `GET /events`: every session's events, as they become visible.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use wharf_engine::Position;
use wharf_protocol::ErrorCode;

use crate::app::App;
use crate::error::Result;
use crate::extract::{QueryOf, header};
use crate::gate::Stream;
use crate::route::Operation;
use crate::routes::Asker;
use crate::sse::{EventStream, Source};
use wharf_protocol::Scope;

#[derive(Debug, Deserialize, JsonSchema)]
struct AllEventsQuery {
    /// A position, as the `id` of these events gives it. Absent: the present. `Last-Event-ID` wins over it.
    after: Option<u64>,
    /// In place of a key.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

pub(super) fn operation() -> Operation {
    Operation::get("streamAllEvents", "/api/v1/events", events)
        .about("events", "Every session's events, as server-sent events")
        .details("Begins with `connected`. The `id` of an event is its position among those of all sessions.")
        .scope(Scope::SessionsRead)
        .takes_ticket()
        .query::<AllEventsQuery>()
        .header("Last-Event-ID", "The last position that was seen.")
        .answers_text(200, "The stream.", "text/event-stream")
        .fails(&[ErrorCode::ValidationError, ErrorCode::CursorAhead])
}

async fn events(
    State(app): State<App>,
    Extension(principal): Asker,
    QueryOf(query): QueryOf<AllEventsQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let after = last_event_id(&headers)?.or(query.after);
    app.gate.open(&principal, Stream::Everything, false).await?;
    let cursor = principal.access.watch_all(after.map(Position)).await?;
    let connected = json!({ "position": cursor.position().0 });
    Ok(EventStream::new(app, Source::All(cursor), &connected, None).into_response(None))
}

/// The cursor of a client that comes back. An empty one is none: that is what a reset EventSource sends.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>> {
    match header(headers, "last-event-id")?.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            crate::error::Failure::invalid("Last-Event-ID", "must be a number, as an event's `id` gave it")
        }),
    }
}
