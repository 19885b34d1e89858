//! Streams as servers send them, whole and broken, and requests as they go out.

mod fuzz;
mod requests;
mod streams;
