//! Named places where the crash harness kills the process, and mistakes that it seeds to see whether its checks are worth
//! trusting.
//!
//! Without the feature `enabled`, which only the harness's build has, every function here is empty and costs nothing.

#[cfg(feature = "enabled")]
mod armed;

#[cfg(feature = "enabled")]
pub use armed::arm;

/// Every [`point`], in the order in which a prompt meets them.
pub const POINTS: [&str; 19] = [
    "engine.before_append",
    "store.before_insert",
    "store.before_commit",
    "store.after_commit",
    "store.before_sync",
    "store.after_sync",
    "engine.after_append",
    "engine.after_publish",
    "engine.before_run_call",
    "engine.after_run_call",
    "engine.call_finished",
    "engine.after_outcome",
    "engine.before_start_command",
    "engine.command_over",
    "engine.after_command_end",
    "recovery.after_lease",
    "recovery.after_load",
    "recovery.after_append",
    "recovery.before_command_end",
];

/// The points of the exec supervisor and of its keepers, which are processes of their own: the server hands the orders on.
pub const HELPER_POINTS: [&str; 8] = [
    "supervisor.before_start",
    "supervisor.after_start",
    "keeper.before_spawn",
    "keeper.after_spawn",
    "keeper.before_kill",
    "keeper.before_record",
    "keeper.after_record",
    "keeper.after_report",
];

/// Every [`mistake`].
pub const MISTAKES: [&str; 10] = [
    "acknowledge_before_commit",
    "skip_sync",
    "reuse_seq",
    "drop_at_handover",
    "rerun_begun_call",
    "answer_twice",
    "lose_queue",
    "leave_child",
    "overwrite_terminal",
    "resume_minus_one",
];

/// The process may die here.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(feature = "enabled")]
    armed::point(name);
    #[cfg(not(feature = "enabled"))]
    let _ = name;
}

/// The process may die here, when it deals with this subject (a session).
#[inline]
pub fn point_for(name: &'static str, subject: &str) {
    #[cfg(feature = "enabled")]
    armed::point_for(name, subject);
    #[cfg(not(feature = "enabled"))]
    let _ = (name, subject);
}

/// Whether this mistake is to be made. Always false in a build that somebody uses.
#[inline]
#[must_use]
pub fn mistake(name: &'static str) -> bool {
    #[cfg(feature = "enabled")]
    return armed::mistake(name);
    #[cfg(not(feature = "enabled"))]
    {
        let _ = name;
        false
    }
}

/// What a child has to be given that is to make the same mistakes: a variable and its value.
#[inline]
#[must_use]
pub fn inherited() -> Option<(&'static str, String)> {
    #[cfg(feature = "enabled")]
    return armed::inherited();
    #[cfg(not(feature = "enabled"))]
    None
}

/// Notes a step whose order is checked afterwards: what was not synced survives `kill -9`, so that only the order of the
/// steps shows a sync that was left out.
#[inline]
pub fn trace(step: &'static str, number: u64) {
    #[cfg(feature = "enabled")]
    armed::trace(step, number);
    #[cfg(not(feature = "enabled"))]
    let _ = (step, number);
}
