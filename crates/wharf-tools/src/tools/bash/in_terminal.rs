//! A command in an attached client's terminal: its output looked at while it runs, stopped like one of ours.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use wharf_protocol::{CallOutcome, ToolError, ToolOutput};

use crate::{CallContext, ClientHost, HostError, Terminal, TerminalCommand, TerminalExit, TerminalOutput};
use wharf_exec::{Capture, Captured};

/// Between two looks at the output: while it grows, and at most.
const LOOK_FIRST: Duration = Duration::from_millis(300);
const LOOK_LONGEST: Duration = Duration::from_secs(2);
/// Output that the client keeps, in bytes: the end of it. Every look brings all of it.
pub(super) const KEPT_BYTES: u64 = 256 << 10;
/// Most of a look that becomes progress, where it is not clear what is new in it.
const UNCLEAR_BYTES: usize = 16 << 10;
/// So much of what was seen is looked for in what is there now, in bytes.
const OVERLAP_BYTES: usize = 1 << 10;
/// After a stop: so long for the last words.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// Why the watching ended.
enum TerminalEnd {
    Exited(TerminalExit),
    Cancelled,
    TimedOut,
    Lost(HostError),
}

/// Runs the command to its end. On return it has ended or was told to.
pub(super) async fn run(
    host: Arc<dyn ClientHost>,
    command: TerminalCommand,
    limit: Option<Duration>,
    context: &CallContext,
) -> CallOutcome {
    let started = Instant::now();
    let opened = context.unless_cancelled(host.open_terminal(&context.call_id, command)).await?;
    let terminal = opened.map_err(|error| {
        ToolError::Failed(match error {
            HostError::Refused(words) => format!("the editor could not open a terminal: {words}"),
            error => format!("the editor's terminal: {error}. Whether the command ran is not known"),
        })
    })?;
    let mut watched = Watched { terminal: terminal.as_ref(), seen: String::new() };
    let end = watched.until_over(limit.map(|limit| started + limit), context).await;
    let after_ms = limit.map_or(context.timeout_ms, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    match end {
        TerminalEnd::Exited(exit) => {
            let last = watched.terminal.output().await;
            let last = last.unwrap_or_else(|_| TerminalOutput { text: watched.seen.clone(), truncated: false });
            watched.tell(&last, context).await;
            Ok(result(&last, &exit, context).await)
        }
        TerminalEnd::Cancelled => Err(ToolError::Stopped { output: watched.stop(context).await }),
        TerminalEnd::TimedOut => Err(ToolError::TimedOut { after_ms, output: watched.stop(context).await }),
        TerminalEnd::Lost(error) => {
            let seen = captured(&watched.seen, context).await.text;
            let text = format!("the editor's terminal: {error}. Whether the command still runs is not known");
            Err(ToolError::Failed(if seen.is_empty() { text } else { format!("{text}. Its output so far:\n{seen}") }))
        }
    }
}

struct Watched<'a> {
    terminal: &'a dyn Terminal,
    /// The output at the last look.
    seen: String,
}

impl Watched<'_> {
    async fn until_over(&mut self, deadline: Option<Instant>, context: &CallContext) -> TerminalEnd {
        let terminal = self.terminal;
        let exit = terminal.exit();
        tokio::pin!(exit);
        let mut pause = LOOK_FIRST;
        loop {
            let look = async {
                sleep(pause).await;
                terminal.output().await
            };
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => return TerminalEnd::Cancelled,
                () = until(deadline) => return TerminalEnd::TimedOut,
                exit = &mut exit => return exit.map_or_else(TerminalEnd::Lost, TerminalEnd::Exited),
                look = look => match look {
                    Ok(output) => {
                        let grew = self.tell(&output, context).await;
                        pause = if grew { LOOK_FIRST } else { (pause * 2).min(LOOK_LONGEST) };
                    }
                    Err(error) => return TerminalEnd::Lost(error),
                },
            }
        }
    }

    /// Reports what is new. False: nothing is.
    async fn tell(&mut self, output: &TerminalOutput, context: &CallContext) -> bool {
        let new = news(&self.seen, &output.text);
        let new = new.to_owned();
        self.seen.clone_from(&output.text);
        if new.is_empty() {
            return false;
        }
        context.progress.send(new).await;
        true
    }

    /// Stops the command, and brings what it has put out.
    async fn stop(&mut self, context: &CallContext) -> String {
        if let Err(error) = self.terminal.kill().await {
            tracing::info!(call.id = %context.call_id, %error, "a terminal of a client did not confirm its end");
        }
        if let Ok(Ok(last)) = timeout(LAST_OUTPUT, self.terminal.output()).await {
            self.seen = last.text;
        }
        captured(&self.seen, context).await.text
    }
}

/// What `now` has that `before` had not, where only the end of an output is kept.
fn news<'a>(before: &str, now: &'a str) -> &'a str {
    if let Some(new) = now.strip_prefix(before) {
        return new;
    }
    let tail = &before[before.ceil_char_boundary(before.len().saturating_sub(OVERLAP_BYTES))..];
    if let Some(at) = now.rfind(tail) {
        return &now[at + tail.len()..];
    }
    // Overwritten, or far ahead.
    let same = before.bytes().zip(now.bytes()).take_while(|(old, new)| old == new).count();
    let new = &now[now.floor_char_boundary(same)..];
    &new[new.ceil_char_boundary(new.len().saturating_sub(UNCLEAR_BYTES))..]
}

async fn captured(text: &str, context: &CallContext) -> Captured {
    let mut capture = Capture::new(&context.for_commands());
    capture.push(text.as_bytes()).await;
    capture.finish().await
}

async fn result(output: &TerminalOutput, exit: &TerminalExit, context: &CallContext) -> ToolOutput {
    let Captured { mut text, truncated, file } = captured(&output.text, context).await;
    if text.is_empty() {
        text.push_str("(no output)");
    }
    if output.truncated {
        text.insert_str(0, "[the beginning is left out: the editor keeps the end of long outputs]\n");
    }
    let words = match exit {
        TerminalExit { code: Some(0), signal: None } => None,
        TerminalExit { signal: Some(signal), .. } => {
            Some(format!("killed by signal {}", signal.chars().take(40).collect::<String>()))
        }
        TerminalExit { code: Some(code), .. } => Some(format!("exit code {code}")),
        TerminalExit { code: None, signal: None } => Some("the editor does not say how it ended".to_owned()),
    };
    if let Some(words) = words {
        let line_end = if text.ends_with('\n') { "" } else { "\n" };
        text.push_str(&format!("{line_end}[{words}]"));
    }
    text.truncate(text.floor_char_boundary(context.output_limit));
    ToolOutput {
        result: text,
        exit_code: exit.code.and_then(|code| i32::try_from(code).ok()),
        truncated: truncated || output.truncated,
        output_file: file,
        ..ToolOutput::default()
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
