//! The server from outside: real sockets, real clients, a scripted model behind a real engine.

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![allow(clippy::unwrap_used)]

mod acp;
mod attacks;
mod auth;
mod drain;
mod errors;
mod fuzz;
mod guards;
mod limits;
mod openapi;
mod routes;
mod slow_clients;
mod streams;
mod support;
mod ws;
