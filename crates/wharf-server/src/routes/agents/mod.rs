//! `/agents`

mod get;
mod list;

use crate::route::Operation;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        list::operation(),
        get::operation("/api/v1/agents/{name}", "getAgent", "One agent"),
        get::operation("/api/v1/agents/{name}/spec", "getAgentSpec", "One agent, with all that it is run with"),
    ]
}
