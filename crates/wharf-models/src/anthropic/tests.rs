//! Streams as servers send them, and requests as they go out.

mod fuzz;
mod requests;
mod streams;
