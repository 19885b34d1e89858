//! One command as a child of this process: for programs that embed the engine and have no supervisor beside them. What
//! runs then survives a kill of this process.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use super::outbox::Outbox;
use super::tree::{self, Tree};
use super::{Execution, ExecutionEnd, Finished, OUTBOX_BYTES, until};
use crate::capture::Capture;
use crate::context::RunContext;
use crate::limits::{DRAIN, DRAIN_BYTES, GRACE};
use crate::utf8::Utf8Stream;

const READ_BYTES: usize = 32 * 1024;

impl Execution {
    /// Runs the command as a child of this process. On return, and also where the future is dropped, its process tree is dead.
    pub(super) async fn run_here(self, context: &RunContext) -> io::Result<Finished> {
        let started = Instant::now();
        let token = token()?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("WHARF_CALL", context.call_id.as_str())
            .env(tree::MARKER, &token)
            .current_dir(held(&self.directory))
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut tree = Tree::expect(token);
        let child = command.spawn()?;
        // Our own ends of the pipe: while they are open it has no end.
        drop(command);
        tree.started(child.id());
        let running = Running {
            child,
            tree,
            reader: pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?,
            at_end: false,
            decoder: Utf8Stream::default(),
            capture: Capture::new(context),
            outbox: Outbox::default(),
        };
        running.until_over(context, self.timeout.map(|timeout| started + timeout)).await
    }
}

/// One command while it runs.
struct Running {
    child: Child,
    tree: Tree,
    reader: pipe::Receiver,
    at_end: bool,
    decoder: Utf8Stream,
    capture: Capture,
    outbox: Outbox,
}

/// What woke us.
enum Wakeup {
    Cancelled,
    TimedOut,
    Exited(io::Result<ExitStatus>),
    Drained,
    Read(io::Result<usize>),
    Sent,
}

impl Running {
    async fn until_over(mut self, context: &RunContext, deadline: Option<Instant>) -> io::Result<Finished> {
        let mut buffer = vec![0; READ_BYTES];
        let mut exit: Option<(ExitStatus, Instant)> = None;
        let end = loop {
            if let Some((status, _)) = exit
                && (self.at_end || self.outbox.bytes >= DRAIN_BYTES)
            {
                break ExecutionEnd::Exited(status);
            }
            let room = if exit.is_some() { DRAIN_BYTES } else { OUTBOX_BYTES };
            let wakeup = tokio::select! {
                biased;
                () = context.cancel.cancelled() => Wakeup::Cancelled,
                () = until(deadline) => Wakeup::TimedOut,
                status = self.child.wait(), if exit.is_none() => Wakeup::Exited(status),
                () = until(exit.map(|(_, drained)| drained)) => Wakeup::Drained,
                read = self.reader.read(&mut buffer), if !self.at_end && self.outbox.bytes < room => Wakeup::Read(read),
                () = self.outbox.send(context) => Wakeup::Sent,
            };
            match (wakeup, exit) {
                // The command had ended by itself: that is its outcome.
                (Wakeup::Cancelled | Wakeup::TimedOut | Wakeup::Drained, Some((status, _))) => {
                    break ExecutionEnd::Exited(status);
                }
                (Wakeup::Cancelled, None) => break ExecutionEnd::Cancelled,
                (Wakeup::TimedOut, None) => break ExecutionEnd::TimedOut,
                (Wakeup::Exited(status), _) => exit = Some((status?, Instant::now() + DRAIN)),
                (Wakeup::Read(read), _) => self.take(read, &buffer).await,
                (Wakeup::Sent | Wakeup::Drained, _) => {}
            }
        };
        let ended = match end {
            ExecutionEnd::Exited(_) => self.tree.kill().await,
            ExecutionEnd::Cancelled | ExecutionEnd::TimedOut => self.terminate(context, &mut buffer).await,
        };
        let rest = self.decoder.finish();
        self.outbox.push(rest);
        // After a cancel nobody waits for what a slow engine has not taken yet.
        if let ExecutionEnd::Exited(_) = end {
            self.outbox.flush(context, deadline).await;
        }
        let captured = self.capture.finish().await;
        Ok(Finished { end, captured, strays: ended.killed, survivors: ended.survivors })
    }

    /// Asks every process of the tree to end, waits, kills. Reads on meanwhile: a process that writes its last words
    /// into a full pipe would never end.
    async fn terminate(&mut self, context: &RunContext, buffer: &mut [u8]) -> tree::LeftBehind {
        self.outbox.abandon(context);
        self.tree.ask().await;
        let patience = Instant::now() + GRACE;
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let mut exited = false;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(patience) => break,
                _ = self.child.wait(), if !exited => exited = true,
                read = self.reader.read(buffer), if !self.at_end => self.take(read, buffer).await,
                _ = look.tick() => {
                    if exited && self.tree.is_dead().await {
                        break;
                    }
                }
            }
        }
        let ended = self.tree.kill().await;
        // The kernel has killed it by now; this takes its status, so that no zombie stays.
        let _ = tokio::time::timeout(DRAIN, self.child.wait()).await;
        let until = Instant::now() + DRAIN;
        while !self.at_end {
            match tokio::time::timeout_at(until, self.reader.read(buffer)).await {
                Ok(read) => self.take(read, buffer).await,
                Err(_) => break,
            }
        }
        ended
    }

    async fn take(&mut self, read: io::Result<usize>, buffer: &[u8]) {
        match read {
            Ok(0) | Err(_) => self.at_end = true,
            Ok(count) => {
                let bytes = &buffer[..count];
                let text = self.decoder.push(bytes);
                self.capture.push(bytes).await;
                self.outbox.push(text);
            }
        }
    }
}

/// The held directory, by a name that stays right when the directory is renamed or replaced.
pub(super) fn held(directory: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// Marks the processes of one call; call ids alone may be the same in two sessions.
pub(super) fn token() -> io::Result<String> {
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}
