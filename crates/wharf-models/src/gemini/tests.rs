//! Streams as servers send them, whole and broken, and requests as they go out.

mod requests;
mod streams;
