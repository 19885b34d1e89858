//! `GET /schemas/{ws,events}.json`: JSON Schemas of what streams and sockets carry.

use std::sync::OnceLock;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use schemars::generate::SchemaSettings;
use serde_json::json;
use wharf_protocol::frame::Frame;
use wharf_protocol::ws::{Envelope, Request};
use wharf_protocol::{ApiError, Event};

use crate::route::Operation;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("getEventsSchema", "/api/v1/schemas/events.json", events)
            .about("schemas", "The JSON Schema of an event")
            .answers_text(200, "A JSON Schema.", "application/schema+json"),
        Operation::get("getSocketSchema", "/api/v1/schemas/ws.json", ws)
            .about("schemas", "The JSON Schemas of a WebSocket's frames")
            .answers_text(200, "A JSON Schema.", "application/schema+json"),
    ]
}

async fn events() -> impl IntoResponse {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        generator.into_root_schema_for::<Event>().to_value().to_string().into()
    });
    ([(CONTENT_TYPE, "application/schema+json")], document.clone())
}

async fn ws() -> impl IntoResponse {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let request = generator.subschema_for::<Request>();
        let envelope = generator.subschema_for::<Envelope>();
        let frame = generator.subschema_for::<Frame>();
        let error = generator.subschema_for::<ApiError>();
        let event = generator.subschema_for::<Event>();
        let definitions = generator.take_definitions(true);
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Frames of /ws",
            "description": "A client sends `Request`. The server sends `Envelope`; its payload is a `Frame` of a prompt's turn \
                with `kind` beside `type`, the answer to an action, an `ApiError`, or an event whose payload's fields stand \
                beside `kind`, `event_type`, `seq`, `session_id`, `turn_id` and `timestamp`.",
            "oneOf": [request, envelope],
            "x-payloads": { "response": frame, "error": error, "event": event },
            "$defs": definitions,
        })
        .to_string()
        .into()
    });
    ([(CONTENT_TYPE, "application/schema+json")], document.clone())
}
