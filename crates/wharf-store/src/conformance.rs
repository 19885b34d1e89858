//! What every store must do: one suite of cases, run by [`store_conformance!`](crate::store_conformance) on each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test, built for other crates' tests as well")]

mod driver;
pub mod leases;
pub mod logs;
pub mod models;
pub mod random;
pub mod removal;
pub mod staging;

use std::sync::Arc;

pub use driver::{Driver, bodies};

use crate::Store;

/// A place for stores to be opened on: a directory, or a part of memory.
pub trait Backend: Send + Sync {
    /// One more store on the same data. Dropping it without closing it must be as if its process had been killed.
    fn open(&self) -> Arc<dyn Store>;
}

/// Makes a test of each case. Takes an expression that makes a [`Backend`] with nothing in it.
#[macro_export]
macro_rules! store_conformance {
    ($backend:expr) => {
        $crate::store_conformance!(@cases $backend;
            logs: appended_events_are_read_in_order;
            logs: a_read_ends_at_its_limits;
            logs: an_append_that_is_not_next_is_refused;
            logs: an_id_is_given_out_once;
            logs: events_of_some_kinds_in_windows;
            logs: state_is_read_without_old_chunks;
            logs: all_events_in_the_order_of_their_positions;
            logs: what_was_written_is_there_after_reopening;
            logs: a_closed_store_says_so;
            leases: an_older_fence_is_refused;
            leases: a_lease_is_handed_over;
            leases: a_dead_owners_lease_is_taken_over;
            leases: begun_recoveries_are_counted;
            models: a_turn_runs_and_ends_once;
            models: what_was_spent_is_counted_once;
            models: a_day_tells_so_many_apart_and_so_many_days_are_kept;
            models: turns_that_do_not_complete;
            models: a_steered_prompt_belongs_to_the_turn_it_joins;
            models: sessions_in_pages_with_ties;
            models: sessions_by_filter;
            models: sessions_by_words;
            models: unfinished_sessions;
            removal: a_cleared_log_begins_later;
            removal: a_deleted_session_leaves_one_event;
            removal: old_chunks_are_dropped;
            removal: positions_are_not_used_again;
            staging: a_staged_log_comes_to_light_as_a_whole;
            staging: a_staged_log_that_is_discarded_leaves_nothing;
            staging: a_dead_owners_staged_log_is_gone;
            staging: a_staged_log_cannot_take_an_id_that_is_in_use;
        );
    };
    (@cases $backend:expr; $($module:ident: $case:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::conformance::$module::$case(&$backend).await;
        }
    )*};
}
