//! The Agent Client Protocol from the client's side: a peer over any transport, which checks every line that it is sent against
//! the protocol's own types and against what the client has advertised.

mod peer;
mod schema;
mod wire;

pub use peer::{Peer, kinds, prompt, text};
pub use schema::Schema;
pub use wire::WireEnd;
