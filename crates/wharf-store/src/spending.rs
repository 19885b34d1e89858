//! What model calls took and cost, summed up by day, model and workspace.

use std::path::Path;

use wharf_protocol::event::UsageUpdated;
use wharf_protocol::rest::{UsageBy, UsageReport, UsageRow};
use wharf_protocol::{Cost, Event, EventBody, Usage};

/// Days that are kept. What is older is forgotten when a new day begins.
pub(crate) const DAYS: usize = 400;

/// Pairs of model and workspace that one day tells apart; further ones are counted together as `OTHERS`.
pub(crate) const PAIRS_OF_A_DAY: usize = 1_000;
pub(crate) const OTHERS: &str = "(others)";

/// Most rows of one answer; the total is of all of them.
pub(crate) const ROWS: usize = 1_000;

/// Most tokens, or billionths of a dollar, that one call is taken to have: no sum of so many calls as there can be leaves its column.
const MOST: u64 = 1 << 40;

/// One call, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spent {
    pub day: String,
    pub model: String,
    pub cwd: String,
    pub usage: Usage,
    pub cost: Cost,
}

impl Spent {
    /// What an event says of a call; logs of earlier versions do not say it.
    pub(crate) fn of(event: &Event, cwd: &Path) -> Option<Self> {
        let EventBody::UsageUpdated(UsageUpdated { call, model: Some(model), cost: Some(cost), .. }) = &event.body
        else {
            return None;
        };
        let mut counted = Cost::default();
        counted.add(cost.call.map(|call| wharf_protocol::CallCost { nano_usd: call.nano_usd.min(MOST), ..call }));
        let usage = call.unwrap_or_default();
        Some(Self {
            day: day_of(event),
            model: model.clone(),
            cwd: cwd.to_string_lossy().into_owned(),
            usage: Usage {
                prompt_tokens: usage.prompt_tokens.min(MOST),
                completion_tokens: usage.completion_tokens.min(MOST),
                total_tokens: usage.total_tokens.min(MOST),
                cached_tokens: usage.cached_tokens.min(MOST),
                cache_write_tokens: usage.cache_write_tokens.min(MOST),
                reasoning_tokens: usage.reasoning_tokens.min(MOST),
            },
            cost: counted,
        })
    }
}

fn day_of(event: &Event) -> String {
    let text = event.timestamp.to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

/// An answer of rows, the first first, of which there may be one more than are told.
pub(crate) fn report(by: UsageBy, mut rows: Vec<UsageRow>, total: UsageRow) -> UsageReport {
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    UsageReport { by, rows, total_usage: total.usage, total_cost: total.cost, more }
}
