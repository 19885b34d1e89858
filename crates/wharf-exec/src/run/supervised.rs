//! One command below the supervisor: this process only asks for it and listens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::outbox::Outbox;
use super::{Execution, ExecutionEnd, Finished, OUTBOX_BYTES, until};
use crate::capture::Excerpt;
use crate::context::RunContext;
use crate::output::OUTPUT_FILE_MAX_BYTES;
use crate::supervisor::Supervisor;
use crate::utf8::Utf8Stream;
use crate::wire::{self, CommandRequest, EndReport, Frames};

/// After a cancel: how long a keeper may take to say that its tree is dead. Then its socket is closed, which makes it kill
/// at once; the turn's end comes within 3 s of the cancel.
const STOP_LIMIT: Duration = Duration::from_millis(2_600);
const READ_BYTES: usize = 32 * 1024;

impl Execution {
    /// Runs the command below the supervisor. Where the future is dropped, the keeper sees it and kills.
    pub(super) async fn run_below(self, supervisor: &Arc<Supervisor>, context: &RunContext) -> io::Result<Finished> {
        let mut environment = self.environment;
        environment.push(("WHARF_CALL".to_owned(), context.call_id.to_string()));
        let request = CommandRequest {
            id: context.call_id.to_string(),
            program: self.program.into_os_string(),
            arguments: self.arguments,
            environment,
            timeout_ms: self.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            output_dir: context.output_dir.clone().into_os_string(),
            output_max_bytes: OUTPUT_FILE_MAX_BYTES,
            background: None,
            contained: self.contained,
        };
        let control =
            Arc::clone(supervisor).begin(wire::json_frame(wire::REQUEST, &request)?, vec![self.directory]).await?;
        let listening = Listening {
            control,
            frames: Frames::default(),
            decoder: Utf8Stream::default(),
            excerpt: Excerpt::new(context.output_limit),
            outbox: Outbox::default(),
            stop_until: None,
        };
        listening.until_over(context).await
    }
}

/// One command as its keeper tells it.
struct Listening {
    control: UnixStream,
    frames: Frames,
    decoder: Utf8Stream,
    excerpt: Excerpt,
    outbox: Outbox,
    /// Since the command is being stopped.
    stop_until: Option<Instant>,
}

/// What woke us.
enum Wakeup {
    Cancelled,
    Overdue,
    Read(io::Result<usize>),
    Sent,
}

impl Listening {
    async fn until_over(mut self, context: &RunContext) -> io::Result<Finished> {
        let mut buffer = vec![0; READ_BYTES];
        let ended = loop {
            if let Some(ended) = self.take()? {
                break Some(ended);
            }
            let wakeup = tokio::select! {
                biased;
                () = context.cancel.cancelled(), if self.stop_until.is_none() => Wakeup::Cancelled,
                () = until(self.stop_until) => Wakeup::Overdue,
                read = self.control.read(&mut buffer), if self.outbox.bytes < OUTBOX_BYTES => Wakeup::Read(read),
                () = self.outbox.send(context) => Wakeup::Sent,
            };
            match wakeup {
                Wakeup::Cancelled => {
                    self.stop_until = Some(Instant::now() + STOP_LIMIT);
                    self.outbox.abandon(context);
                    // Fails where the keeper has said its last word already.
                    let _ = self.control.write_all(&wire::frame(wire::STOP, &[])?).await;
                }
                Wakeup::Overdue => break None,
                Wakeup::Read(Ok(0) | Err(_)) => break None,
                Wakeup::Read(Ok(count)) => self.frames.push(&buffer[..count]),
                Wakeup::Sent => {}
            }
        };
        let rest = self.decoder.finish();
        self.outbox.push(rest);
        let Some(ended) = ended else { return self.lost() };
        let end = ExecutionEnd::of(ended.end).unwrap_or(ExecutionEnd::Cancelled);
        if let ExecutionEnd::Exited(_) = end {
            self.outbox.flush(context, None).await;
        }
        let file = context.output_dir.join(&ended.output);
        let captured = self.excerpt.finish(Some((file, ended.kept_bytes)));
        Ok(Finished { end, captured, strays: ended.strays, survivors: ended.survivors })
    }

    /// Takes the frames that are whole; the last one is the command's end.
    fn take(&mut self) -> io::Result<Option<EndReport>> {
        while let Some((kind, body)) = self.frames.next()? {
            match kind {
                wire::OUTPUT => {
                    let text = self.decoder.push(&body);
                    self.excerpt.push(&body);
                    self.outbox.push(text);
                }
                wire::ENDED => return Ok(Some(serde_json::from_slice(&body)?)),
                wire::NOT_STARTED => return Err(io::Error::other(String::from_utf8_lossy(&body).into_owned())),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The keeper is gone, or does not answer. Closing its socket and the supervisor end what is left.
    fn lost(self) -> io::Result<Finished> {
        if self.stop_until.is_some() {
            let captured = self.excerpt.finish(None);
            return Ok(Finished { end: ExecutionEnd::Cancelled, captured, strays: 0, survivors: 0 });
        }
        let output = self.excerpt.finish(None).text;
        Err(io::Error::other(format!("its supervisor was killed, and the command with it; output so far:\n{output}")))
    }
}
