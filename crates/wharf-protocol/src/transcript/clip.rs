//! What foreign text becomes in an entry: no longer than its limit.

use serde_json::Value;

use super::entry::{Attachment, DiffEntry};
use super::{ARGUMENTS_MAX_BYTES, Excerpt, LINE_MAX_BYTES, LIST_MAX};
use crate::permission::PlannedCommand;
use crate::tool::FileDiff;
use crate::{ContentBlock, PromptContent};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A text of one line.
pub(super) fn line(text: &str) -> String {
    if text.len() <= LINE_MAX_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LINE_MAX_BYTES)])
}

pub(super) fn maybe_line(text: Option<&String>) -> Option<String> {
    text.map(|text| line(text))
}

/// At most so many of a list.
pub(super) fn lines<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    texts.into_iter().take(LIST_MAX).map(|text| line(text)).collect()
}

/// What a command would run.
pub(super) fn planned(commands: &[PlannedCommand]) -> Vec<PlannedCommand> {
    let bounded = |command: &PlannedCommand| PlannedCommand {
        text: line(&command.text),
        started_by: command.started_by,
        asked: maybe_line(command.asked.as_ref()),
    };
    commands.iter().take(LIST_MAX).map(bounded).collect()
}

/// A call's arguments, or how many bytes of JSON they are where that is too much.
pub(super) fn arguments(arguments: &Value) -> (Option<Value>, u64) {
    let bytes = serde_json::to_string(arguments).map_or(0, |json| json.len());
    if bytes <= ARGUMENTS_MAX_BYTES { (Some(arguments.clone()), 0) } else { (None, bytes as u64) }
}

/// Diffs whose patches have together at most `max` bytes: each gets what the ones before it left.
pub(super) fn diffs(diffs: &[FileDiff], max: usize) -> Vec<DiffEntry> {
    let mut room = max;
    let entry = |diff: &FileDiff| {
        let (mut added, mut removed) = (0, 0);
        for line in diff.patch.lines() {
            added += u64::from(line.starts_with('+') && !line.starts_with("+++"));
            removed += u64::from(line.starts_with('-') && !line.starts_with("---"));
        }
        let patch = Excerpt::new(&diff.patch, room);
        let kept = usize::try_from(patch.len() - patch.omitted()).unwrap_or(usize::MAX);
        room = room.saturating_sub(kept);
        DiffEntry { path: line(&diff.path), added, removed, patch }
    };
    diffs.iter().take(LIST_MAX).map(entry).collect()
}

/// What a prompt has beside its text.
pub(super) fn attachments_of(content: &PromptContent) -> Vec<Attachment> {
    match content {
        PromptContent::Text(_) => Vec::new(),
        PromptContent::Blocks(blocks) => attachments(blocks),
    }
}

/// What blocks have beside text, described.
pub(super) fn attachments(blocks: &[ContentBlock]) -> Vec<Attachment> {
    blocks.iter().filter_map(attachment).take(LIST_MAX).collect()
}

fn attachment(block: &ContentBlock) -> Option<Attachment> {
    let described = |kind: &str| Attachment { r#type: kind.to_owned(), ..Attachment::default() };
    Some(match block {
        ContentBlock::Text { .. } => return None,
        ContentBlock::Image { data, mime_type, uri } => Attachment {
            mime_type: Some(line(mime_type)),
            uri: maybe_line(uri.as_ref()),
            bytes: decoded(data),
            ..described("image")
        },
        ContentBlock::Audio { data, mime_type } => {
            Attachment { mime_type: Some(line(mime_type)), bytes: decoded(data), ..described("audio") }
        }
        ContentBlock::ResourceLink { uri, name, mime_type, description: _ } => Attachment {
            mime_type: maybe_line(mime_type.as_ref()),
            name: Some(line(name)),
            uri: Some(line(uri)),
            ..described("resource_link")
        },
        ContentBlock::Resource { resource } => Attachment {
            mime_type: maybe_line(resource.mime_type.as_ref()),
            uri: Some(line(&resource.uri)),
            bytes: match (&resource.text, &resource.blob) {
                (Some(text), _) => text.len() as u64,
                (None, Some(blob)) => decoded(blob),
                (None, None) => 0,
            },
            ..described("resource")
        },
    })
}

/// The bytes that a base64 text stands for.
fn decoded(base64: &str) -> u64 {
    (base64.trim_end_matches('=').len() as u64) * 3 / 4
}
