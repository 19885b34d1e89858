//! `POST /tickets`: a ticket for one connection that cannot set headers.

use std::time::Instant;

use axum::extract::State;
use axum::{Extension, Json};
use wharf_protocol::rest::Ticket;

use super::Asker;
use crate::app::App;
use crate::error::Result;
use crate::route::Operation;

pub(super) fn operation() -> Operation {
    Operation::post("createTicket", "/api/v1/tickets", create)
        .about("server", "A ticket for one WebSocket or EventSource")
        .details("To be sent as `?ticket=` within 30 seconds, once. It has the rights of the key that asked for it.")
        .answers::<Ticket>(200, "The ticket.")
}

async fn create(State(app): State<App>, Extension(principal): Asker) -> Result<Json<Ticket>> {
    Ok(Json(app.gate.ticket(&principal, Instant::now())?))
}
