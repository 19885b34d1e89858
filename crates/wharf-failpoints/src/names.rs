//! What there is to be asked for.

/// Every [`point`](crate::point), in the order in which a prompt meets them.
pub const POINTS: [&str; 21] = [
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
    "engine.before_summary",
    "engine.summary_written",
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

/// Every [`mistake`](crate::mistake).
pub const MISTAKES: [&str; 11] = [
    "acknowledge_before_commit",
    "skip_sync",
    "show_before_sync",
    "reuse_seq",
    "drop_at_handover",
    "rerun_begun_call",
    "answer_twice",
    "lose_queue",
    "leave_child",
    "overwrite_terminal",
    "resume_minus_one",
];
