//! What a command came to whose server died.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use wharf_protocol::{CallId, CommandEnd, CommandId, RecordedCall};

use crate::capture::Excerpt;
use crate::commands::end_of;
use crate::ring;
use crate::run::{ExecutionEnd, Finished};
use crate::spool::{StatusFile, is_locked};

/// How long the keeper of a dead server's command may take to end it.
const KEEPER_LIMIT: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a call's command came to, by the files that its keeper has written; `None` where it was never begun. Waits while the
/// keeper still ends it, a few hundred milliseconds after the server's death. Blocks.
#[must_use]
pub fn recorded(output_dir: &Path, call: &CallId, output_limit: usize) -> Option<RecordedCall> {
    let status = settled(output_dir, call.as_str())?;
    let path = output_dir.join(&status.output);
    let excerpt = excerpt(&path, output_limit);
    let Some(ended) = status.ended else {
        let kept_bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        let output = excerpt.finish(Some((path, kept_bytes))).text;
        return Some(RecordedCall { outcome: None, output, duration_ms: 0 });
    };
    let duration_ms = ended.at_ms.saturating_sub(status.started_ms);
    let captured = excerpt.finish(Some((path, ended.kept_bytes)));
    let output = captured.text.clone();
    let finished = ExecutionEnd::of(ended.end).map(|end| Finished {
        end,
        captured,
        strays: ended.strays,
        survivors: ended.survivors,
    });
    let outcome = finished.map(|finished| finished.outcome(duration_ms, output_limit));
    Some(RecordedCall { outcome, output, duration_ms })
}

/// The status once nobody changes it any more.
fn settled(output_dir: &Path, id: &str) -> Option<StatusFile> {
    let until = Instant::now() + KEEPER_LIMIT;
    loop {
        let status = StatusFile::read(output_dir, id)?;
        // In this order: a keeper writes the end before it lets go.
        let is_kept = is_locked(&output_dir.join(&status.output));
        if status.ended.is_some() || Instant::now() >= until {
            return Some(status);
        }
        if !is_kept {
            return StatusFile::read(output_dir, id);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn excerpt(path: &Path, output_limit: usize) -> Excerpt {
    let mut excerpt = Excerpt::new(output_limit);
    let mut buffer = vec![0; 64 * 1024];
    let Ok(mut file) = File::open(path) else { return excerpt };
    while let Ok(count) = file.read(&mut buffer)
        && count > 0
    {
        excerpt.push(&buffer[..count]);
    }
    excerpt
}

/// Removes what [`recorded`] reads, once the outcome is on the log. An output that is longer than a result may be stays:
/// the result names its file.
pub fn forget(output_dir: &Path, call: &CallId, output_limit: usize) {
    let Some(status) = StatusFile::read(output_dir, call.as_str()) else { return };
    let path = output_dir.join(&status.output);
    let is_short = std::fs::metadata(&path).is_ok_and(|file| Excerpt::fits(file.len(), output_limit));
    if is_short {
        let _ = std::fs::remove_file(path);
    }
    let _ = std::fs::remove_file(StatusFile::path(output_dir, call.as_str()));
}

/// How a background command ended whose server died, by the files that its keeper has written. Waits as [`recorded`] does.
/// Blocks.
#[must_use]
pub fn recorded_command(output_dir: &Path, command: &CommandId) -> CommandEnd {
    let status = settled(output_dir, command.as_str());
    let duration_ms =
        status.as_ref().and_then(|status| Some(status.ended.as_ref()?.at_ms.saturating_sub(status.started_ms)));
    match status.as_ref().and_then(|status| status.ended.as_ref()) {
        Some(ended) => CommandEnd { duration_ms, ..end_of(ended) },
        None => {
            let piece = ring::read(&output_dir.join(ring::name(command.as_str())), None, 0);
            CommandEnd::interrupted("the server died", piece.map_or(0, |piece| piece.total))
        }
    }
}

/// Removes what [`recorded_command`] reads, once the end is on the log; the output stays.
pub fn forget_command(output_dir: &Path, command: &CommandId) {
    let _ = std::fs::remove_file(StatusFile::path(output_dir, command.as_str()));
}

#[cfg(test)]
mod tests;
