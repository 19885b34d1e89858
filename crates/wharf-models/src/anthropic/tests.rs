//! Streams as servers send them, and requests as they go out.

mod requests;
mod streams;
