//! `GET /metrics`: numbers for Prometheus.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::error::Result;
use crate::metrics::{header, resident_bytes, single};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn operation() -> Operation {
    Operation::get("getMetrics", "/metrics", metrics)
        .about("server", "Numbers for Prometheus")
        .scope(Scope::Admin)
        .answers_text(200, "Prometheus' text format.", "text/plain")
}

async fn metrics(State(app): State<App>, Extension(principal): Asker) -> Result<impl IntoResponse> {
    let sessions = principal.access.session_counts().await?;
    let connections = app.presence.counts();
    let numbers = &app.metrics;
    let mut out = String::with_capacity(4096);
    numbers.write_requests(&mut out, &app.catalogue.names);
    header(&mut out, "wharf_connections", "gauge", "Open streams and sockets, by transport.");
    for (transport, count) in [("websocket", connections.websocket), ("sse", connections.sse), ("acp", connections.acp)]
    {
        let _ = writeln!(out, "wharf_connections{{transport=\"{transport}\"}} {count}");
    }
    let tcp = app.presence.tcp.load(Ordering::Relaxed);
    single(&mut out, "wharf_tcp_connections", "gauge", "Open connections of any kind.", tcp);
    let refused = numbers.connections_refused.load(Ordering::Relaxed);
    single(&mut out, "wharf_connections_refused_total", "counter", "Connections that found no room.", refused);
    let evicted = numbers.connections_evicted.load(Ordering::Relaxed);
    let help = "Connections without a key that made room for others.";
    single(&mut out, "wharf_connections_evicted_total", "counter", help, evicted);
    let over = numbers.over_budget.load(Ordering::Relaxed);
    let help = "Frames, bodies and headers for which the budget of bytes in flight had no room.";
    single(&mut out, "wharf_over_budget_total", "counter", help, over);
    let stalled = numbers.clients_stalled.load(Ordering::Relaxed);
    single(&mut out, "wharf_clients_stalled_total", "counter", "Clients that stopped reading.", stalled);
    header(&mut out, "wharf_sessions", "gauge", "Sessions: stored, with a running turn, in memory without one.");
    for (state, count) in [("stored", sessions.total), ("busy", sessions.busy), ("idle", sessions.idle)] {
        let _ = writeln!(out, "wharf_sessions{{state=\"{state}\"}} {count}");
    }
    single(&mut out, "wharf_turns_running", "gauge", "Turns that run.", sessions.busy);
    let events = numbers.events_streamed.load(Ordering::Relaxed);
    single(&mut out, "wharf_events_streamed_total", "counter", "Events given to streams and sockets.", events);
    let bytes = numbers.bytes_streamed.load(Ordering::Relaxed);
    single(&mut out, "wharf_bytes_streamed_total", "counter", "Bytes of them.", bytes);
    let uptime = app.started.elapsed().as_secs();
    single(&mut out, "wharf_uptime_seconds", "gauge", "Since the start.", uptime);
    if let Some(resident) = resident_bytes() {
        single(&mut out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident);
    }
    Ok(([(CONTENT_TYPE, TEXT)], out))
}
