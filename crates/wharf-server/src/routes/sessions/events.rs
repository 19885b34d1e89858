//! `GET /sessions/{session_id}/events`: the log, as a stream or a page.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use wharf_engine::EventPage;
use wharf_protocol::{ErrorCode, Event, Seq, SessionId};

use crate::app::App;
use crate::error::Result;
use crate::extract::{Params, QueryOf, accepts, page_limit};
use crate::gate::Stream;
use crate::route::Operation;
use crate::routes::events::last_event_id;
use crate::routes::{Asker, InSession};
use crate::sse::{EventStream, Source};
use wharf_protocol::Scope;

#[derive(Debug, Deserialize, JsonSchema)]
struct EventsQuery {
    /// Events after this seq. Absent: a stream starts at the present, a page at the first event. `Last-Event-ID` wins over it.
    after: Option<Seq>,
    /// Of a page: 1 to 1,000; 1,000 where absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// Of a stream: `false` where nobody there answers permissions.
    answers: Option<bool>,
    /// In place of a key.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

/// A page of the log. Only described here: it is written from the events' stored bytes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the fields are for the schema")]
struct Events {
    session_id: SessionId,
    events: Vec<Event>,
    /// The log's last seq.
    last_seq: Seq,
    /// There are events after the last one of this page.
    more: bool,
}

pub(super) fn operation() -> Operation {
    Operation::get("listEvents", "/api/v1/sessions/{session_id}/events", events)
        .about("events", "A session's log")
        .details(
            "With `Accept: text/event-stream` a stream that begins with `connected` and goes on with everything after the \
             cursor, then live; otherwise a page.",
        )
        .scope(Scope::SessionsRead)
        .takes_ticket()
        .param::<SessionId>("session_id")
        .query::<EventsQuery>()
        .header("Last-Event-ID", "The last seq that was seen.")
        .answers::<Events>(200, "A page of the log, or the stream.")
        .answers_text(200, "The stream.", "text/event-stream")
        .fails(&[ErrorCode::SessionNotFound, ErrorCode::CursorAhead, ErrorCode::CursorExpired])
}

async fn events(
    State(app): State<App>,
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let session_id = path.session_id;
    let most = app.config.limits.events_page;
    let limit = page_limit(query.limit, most, most)?;
    let after = last_event_id(&headers)?.map(Seq).or(query.after);
    if !accepts(&headers, "text/event-stream") {
        let page = principal.access.events(&session_id, after, limit).await?;
        return Ok(write_page(&session_id, &page));
    }
    let stream = Stream::Session(&session_id);
    let watcher = app.gate.open(&principal, stream, query.answers.unwrap_or(true)).await?;
    let cursor = principal.access.watch(&session_id, after, watcher).await?;
    let connected = json!({ "session_id": session_id, "last_seq": cursor.last_seq() });
    let stream = EventStream::new(app, Source::Session(cursor), &connected, Some(&session_id));
    Ok(stream.into_response(Some(&session_id)))
}

fn write_page(session_id: &SessionId, page: &EventPage) -> Response {
    let size: usize = page.events.iter().map(|event| event.json.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(format!(r#"{{"session_id":"{session_id}","events":["#).as_bytes());
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&event.json);
    }
    out.extend_from_slice(format!(r#"],"last_seq":{},"more":{}}}"#, page.last_seq, page.more).as_bytes());
    ([(CONTENT_TYPE, "application/json")], out).into_response()
}
