//! What a command put out: head and tail in memory, all of it (up to a limit) in a file.

use std::collections::VecDeque;
use std::path::PathBuf;

use tokio::io::AsyncWriteExt;
use wharf_protocol::CallId;

use crate::context::RunContext;
use crate::output::{OUTPUT_FILE_MAX_BYTES, create, cut, halves, joined};

/// Collects output within fixed memory: all of it while it fits, then its head and tail.
#[derive(Debug)]
pub struct Excerpt {
    limit: usize,
    /// All of the output while it fits, later its first bytes.
    head: Vec<u8>,
    /// The last bytes, once not all of it fits.
    tail: VecDeque<u8>,
    is_whole: bool,
    total: u64,
}

impl Excerpt {
    /// For a result of at most `output_limit` bytes, notes included.
    pub fn new(output_limit: usize) -> Self {
        let limit = output_limit.saturating_sub(NOTES_BYTES);
        Self { limit, head: Vec::new(), tail: VecDeque::new(), is_whole: true, total: 0 }
    }

    /// Whether an output of so many bytes is wholly in its result.
    pub fn fits(bytes: u64, output_limit: usize) -> bool {
        usize::try_from(bytes).is_ok_and(|bytes| bytes <= output_limit.saturating_sub(NOTES_BYTES))
    }

    fn has_room_for(&self, bytes: &[u8]) -> bool {
        self.is_whole && self.head.len() + bytes.len() <= self.limit
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.has_room_for(bytes) {
            self.head.extend_from_slice(bytes);
            return;
        }
        if self.is_whole {
            self.is_whole = false;
            let rest = self.head.split_off(self.head.len().min(self.limit / 2));
            self.tail.extend(rest);
        }
        let room = (self.limit / 2).saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        if self.tail.is_empty() {
            self.head.extend_from_slice(first);
            self.tail.extend(rest);
        } else {
            self.tail.extend(bytes);
        }
        let surplus = self.tail.len().saturating_sub(self.limit / 2);
        self.tail.drain(..surplus);
    }

    /// `file` holds the output, or as many bytes of it as are given.
    pub fn finish(self, file: Option<(PathBuf, u64)>) -> Captured {
        if self.is_whole {
            let text = String::from_utf8_lossy(&self.head).into_owned();
            // U+FFFD is longer than the byte that it stands for.
            let truncated = text.len() > self.limit;
            return Captured { text: cut(&text, self.limit, None), truncated, file: None };
        }
        let (file, kept) = file.map_or((None, 0), |(file, kept)| (Some(file), kept));
        let tail: Vec<u8> = self.tail.into();
        let (head_bytes, tail_bytes) = halves(self.limit, file.as_deref());
        let head = String::from_utf8_lossy(&self.head);
        let tail = String::from_utf8_lossy(&tail);
        let head = &head[..head.floor_char_boundary(head_bytes)];
        let tail = &tail[tail.ceil_char_boundary(tail.len().saturating_sub(tail_bytes))..];
        let missing = self.total.saturating_sub((head.len() + tail.len()) as u64);
        let mut text = joined(head, tail, missing, file.as_deref(), self.limit);
        if file.is_some() && kept < self.total {
            text.push_str(&format!("\n[the file holds {kept} of {} bytes]", self.total));
        }
        Captured { text, truncated: true, file }
    }
}

/// An excerpt, and a file once the excerpt is not all.
#[derive(Debug)]
pub struct Capture {
    excerpt: Excerpt,
    directory: PathBuf,
    call: CallId,
    spill: Spill,
}

#[derive(Debug)]
enum Spill {
    NotNeeded,
    Open { file: tokio::fs::File, path: PathBuf, written: u64 },
    Failed,
}

/// The bounded output of a command.
#[derive(Debug)]
pub struct Captured {
    pub text: String,
    pub truncated: bool,
    pub file: Option<PathBuf>,
}

/// Kept free in the limit for what the tool adds: exit code, strays.
const NOTES_BYTES: usize = 512;

impl Capture {
    pub fn new(context: &RunContext) -> Self {
        Self {
            excerpt: Excerpt::new(context.output_limit),
            directory: context.output_dir.clone(),
            call: context.call_id.clone(),
            spill: Spill::NotNeeded,
        }
    }

    pub async fn push(&mut self, bytes: &[u8]) {
        if !self.excerpt.has_room_for(bytes) {
            if let Spill::NotNeeded = self.spill {
                self.open().await;
            }
            self.write(bytes).await;
        }
        self.excerpt.push(bytes);
    }

    /// Moves what there is so far into a new file.
    async fn open(&mut self) {
        let (directory, call) = (self.directory.clone(), self.call.clone());
        let made = tokio::task::spawn_blocking(move || create(&directory, call.as_str())).await;
        match made.map_err(std::io::Error::other).and_then(|made| made) {
            Ok((file, path)) => {
                self.spill = Spill::Open { file: tokio::fs::File::from_std(file), path, written: 0 };
                let head = std::mem::take(&mut self.excerpt.head);
                self.write(&head).await;
                self.excerpt.head = head;
            }
            Err(error) => {
                tracing::warn!(call.id = %self.call, %error, "could not keep a command's output");
                self.spill = Spill::Failed;
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        let Spill::Open { file, written, .. } = &mut self.spill else { return };
        let room = usize::try_from(OUTPUT_FILE_MAX_BYTES - *written).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(room)];
        match file.write_all(bytes).await {
            Ok(()) => *written += bytes.len() as u64,
            Err(error) => {
                tracing::warn!(call.id = %self.call, %error, "could not keep a command's output");
                self.spill = Spill::Failed;
            }
        }
    }

    pub async fn finish(mut self) -> Captured {
        let file = match &mut self.spill {
            Spill::Open { file, path, written } => file.flush().await.ok().map(|()| (path.clone(), *written)),
            Spill::NotNeeded | Spill::Failed => None,
        };
        self.excerpt.finish(file)
    }
}

#[cfg(test)]
mod tests;
