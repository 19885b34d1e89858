//! The conformance checklist of the Agent Client Protocol, version 1: each of its items is a check here, and each check is played
//! through every door that a client can take. Every line of the agent is checked against the protocol's types and the client's
//! capabilities by [`wharf_testkit::acp`], whatever the check is about.

#![allow(clippy::unwrap_used)]

mod agent;
mod envelope;
mod ours;
mod prompts;
mod sessions;
mod settings;

/// The checks of a module, each through each door.
macro_rules! through_every_door {
    ($($name:ident),+ $(,)?) => {
        crate::through_every_door!(@door websocket, WebSocket, $($name),+);
        crate::through_every_door!(@door stdio, Stdio, $($name),+);
        crate::through_every_door!(@door embedded, Embedded, $($name),+);
    };
    (@door $module:ident, $door:ident, $($name:ident),+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::agent::Agent::start(crate::agent::Door::$door).await).await;
                }
            )+
        }
    };
}
use through_every_door;
