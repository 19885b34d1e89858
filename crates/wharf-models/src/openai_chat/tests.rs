//! Streams as servers send them, whole and broken, and requests as they go out.

mod broken;
mod fixtures;
mod forgiven;
mod fuzz;
mod replay;
mod requests;

use std::collections::VecDeque;
use std::fmt::Write;

use wharf_protocol::Usage;
use wharf_protocol::model::{ModelError, ModelReply};

use super::decoder::Chunks;
use crate::Delta;
use crate::reply::decoder;
use crate::reply::said::Progress;

type Decoder = decoder::Decoder<Chunks>;

/// What a stream came to: its deltas, neighbours of one kind joined, and its end.
#[derive(Debug, PartialEq)]
struct Heard {
    deltas: Vec<Delta>,
    end: Result<ModelReply, ModelError>,
}

/// Reads `pieces` as a body that ends as HTTP ends one.
fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    hear_with(Decoder::default(), pieces)
}

fn hear_with<'a>(mut decoder: Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    let mut out = VecDeque::new();
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut out) {
            return Heard { deltas: joined(out), end: Err(error) };
        }
        if decoder.progress() == Progress::Done {
            break;
        }
    }
    let end = decoder.end(&mut out);
    Heard { deltas: joined(out), end }
}

fn joined(deltas: impl IntoIterator<Item = Delta>) -> Vec<Delta> {
    let mut joined: Vec<Delta> = Vec::new();
    for delta in deltas {
        match (joined.last_mut(), delta) {
            (Some(Delta::Text(last)), Delta::Text(text)) => last.push_str(&text),
            (Some(Delta::Reasoning(last)), Delta::Reasoning(text)) => last.push_str(&text),
            (_, delta) => joined.push(delta),
        }
    }
    joined
}

/// One line for each thing that was heard.
fn report(heard: &Heard) -> String {
    let mut text = String::new();
    for delta in &heard.deltas {
        let _ = match delta {
            Delta::Text(said) if said.chars().count() > 80 => {
                let start: String = said.chars().take(60).collect();
                writeln!(text, "text {start:?}... {} bytes", said.len())
            }
            Delta::Text(said) => writeln!(text, "text {said:?}"),
            Delta::Reasoning(thought) => writeln!(text, "reasoning {} bytes", thought.len()),
            Delta::Finished(_) => writeln!(text, "finished"),
        };
    }
    match &heard.end {
        Ok(reply) => {
            for call in &reply.tool_calls {
                let arguments = match &call.arguments {
                    Ok(arguments) => arguments.to_string(),
                    Err(raw) => format!("malformed, {} bytes", raw.len()),
                };
                let _ = writeln!(text, "call {} {arguments}", call.tool_name);
            }
            let usage = reply.usage.map_or("-".to_owned(), |usage| {
                let Usage { prompt_tokens, completion_tokens, total_tokens, .. } = usage;
                let apart = [
                    ("cached", usage.cached_tokens),
                    ("written", usage.cache_write_tokens),
                    ("reasoning", usage.reasoning_tokens),
                ];
                let apart = apart.iter().filter(|(_, count)| *count > 0);
                let apart: String = apart.map(|(name, count)| format!(" ({name} {count})")).collect();
                format!("{prompt_tokens}+{completion_tokens}={total_tokens}{apart}")
            });
            let data = match &reply.provider_data {
                Some(data) => format!(", data {} bytes", data.to_string().len()),
                None => String::new(),
            };
            let _ = writeln!(text, "{:?}, usage {usage}{data}", reply.stop_reason);
        }
        Err(error) => {
            let _ = writeln!(text, "error {:?}: {}", error.kind, error.message);
        }
    }
    text
}
