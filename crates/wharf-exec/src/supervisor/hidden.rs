//! A process that no other one of this user may look into.

/// Takes this process out of its user's reach: no reading of `/proc/PID/environ` and `/proc/PID/mem`, no tracing, no core file.
/// A program that is executed anew starts without it, so each of ours does this first; the commands that a keeper starts are
/// programs of their own, and stay as they are. Root sees everything: what must not be seen by a command that runs as
/// root is not in the environment.
#[cfg(target_os = "linux")]
pub fn hide() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // Where the kernel refuses it, the process is as visible as any.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(not(target_os = "linux"))]
pub fn hide() {}
