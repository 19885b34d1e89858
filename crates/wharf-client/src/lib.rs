//! The Rust SDK: one [`Client`] for a server elsewhere, a server on this machine, or an engine in this process.
//!
//! Every way in has the same methods, the same behaviour and the same [`ClientError`]. Streams of events go through one
//! receive loop ([`EventStream`]): it comes back after a lost connection and goes on after the last event that it gave, so
//! that a caller sees each event once and in order. A newer server may say what this version does not know; such events hold their
//! place, [`EventStream::next`] leaves them out, and [`EventStream::next_located`] gives them as they came.
//!
//! ```no_run
//! # async fn example() -> Result<(), wharf_client::ClientError> {
//! use wharf_client::{ApiKey, Auth, Client};
//! use wharf_protocol::{Prompt, rest::CreateSession};
//!
//! let client = Client::remote("http://127.0.0.1:4096", Auth::Key(ApiKey::new("wharf_...")?))?;
//! let session = client.create_session(CreateSession::default()).await?;
//! let turn = client.prompt_and_wait(&session.id, Prompt::new("what is in this directory?")).await?;
//! println!("{}", turn.response.unwrap_or_default());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs"))]

mod auth;
mod auto;
mod backend;
mod client;
mod discovery;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod events;
mod feed;
mod http;
mod ids;
mod remote;
mod retry;
mod socket;
mod sse;
mod timeouts;
mod turn;

pub use auth::{ApiKey, Auth, InvalidKey};
pub use auto::{AutoConfig, Found, Looked};
pub use client::{Client, Exported};
pub use discovery::{DISCOVERY_FILE, Discovery};
pub use error::{ClientError, Resource};
pub use events::{ConnectionState, EventStream, Follow};
pub use feed::Located;
pub use remote::{RemoteOptions, Transport};
pub use retry::Retry;
pub use timeouts::Timeouts;
pub use turn::TurnStream;
