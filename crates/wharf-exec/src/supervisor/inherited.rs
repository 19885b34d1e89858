//! Descriptors that came from whoever started the server. None of them is for a command.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Closes every descriptor but the standard three. For the first lines of a program only.
pub(super) fn close() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let found: Vec<RawFd> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2).collect();
    // The listing's own descriptor was among them, and is closed.
    for fd in found.into_iter().filter(|fd| std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok()) {
        #[expect(unsafe_code, reason = "no safe interface takes a descriptor that nobody owns")]
        // SAFETY: the process has one thread and has opened nothing yet, so nothing in it owns this open descriptor.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}
