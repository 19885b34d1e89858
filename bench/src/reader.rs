//! Reads streamed text, checks that nothing is missing or twice, and notes how late each token came.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use wharf_testkit::sse::{self, Frame};

/// What a reader has seen of one reply.
#[derive(Default)]
pub struct Tokens {
    /// Bytes of text so far.
    bytes: u64,
    /// The beginning of a token that a chunk cut in two.
    rest: String,
    pub count: usize,
    /// Seconds from the model's send to here, where tokens say when they were sent.
    pub delays: Vec<f64>,
    pub last_seq: u64,
}

impl Tokens {
    fn take(&mut self, text: &str) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        self.bytes += text.len() as u64;
        self.rest.push_str(text);
        let rest = std::mem::take(&mut self.rest);
        let whole = rest.rfind(' ').map_or(0, |at| at + 1);
        for token in rest[..whole].split_ascii_whitespace() {
            let (index, stamp) = token.split_once(':').map_or((token, None), |(index, stamp)| (index, Some(stamp)));
            ensure!(index.parse() == Ok(self.count), "token {index} where {} was due", self.count);
            self.count += 1;
            if let Some(stamp) = stamp {
                let sent: u128 = stamp.parse().context("a stamp")?;
                self.delays.push(now.saturating_sub(sent) as f64 / 1e6);
            }
        }
        rest[whole..].clone_into(&mut self.rest);
        Ok(())
    }

    /// Takes an event of Wharf; true when it ends the turn.
    pub fn take_event(&mut self, frame: &Frame) -> Result<bool> {
        if let Some(seq) = frame.seq() {
            ensure!(seq > self.last_seq, "seq {seq} after {}", self.last_seq);
            self.last_seq = seq;
        }
        match frame.event.as_str() {
            "message.chunk" => {
                let event: ChunkEvent = serde_json::from_str(&frame.data)?;
                ensure!(event.payload.offset == self.bytes, "offset {} at {}", event.payload.offset, self.bytes);
                self.take(&event.payload.content)?;
                Ok(false)
            }
            "turn.completed" => Ok(true),
            "turn.failed" | "turn.cancelled" => bail!("the turn did not complete: {}", frame.data),
            _ => Ok(false),
        }
    }

    /// Takes a chunk of the model; true at the end.
    pub fn take_model_chunk(&mut self, frame: &Frame) -> Result<bool> {
        if frame.data == "[DONE]" {
            return Ok(true);
        }
        let chunk: ModelChunk = serde_json::from_str(&frame.data)?;
        if let Some(text) = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref()) {
            self.take(text)?;
        }
        Ok(false)
    }
}

/// Reads a turn of Wharf to its end.
pub async fn read_turn(stream: &mut sse::Stream) -> Result<Tokens> {
    let mut tokens = Tokens::default();
    read_on(stream, &mut tokens).await?;
    Ok(tokens)
}

/// Goes on reading a turn to its end.
pub async fn read_on(stream: &mut sse::Stream, tokens: &mut Tokens) -> Result<()> {
    while let Some(frame) = stream.next().await? {
        if tokens.take_event(&frame)? {
            return Ok(());
        }
    }
    bail!("the stream ended before the turn, at token {}", tokens.count)
}

/// Reads a model's reply to its end.
pub async fn read_reply(stream: &mut sse::Stream) -> Result<Tokens> {
    let mut tokens = Tokens::default();
    while let Some(frame) = stream.next().await? {
        if tokens.take_model_chunk(&frame)? {
            return Ok(tokens);
        }
    }
    bail!("the reply ended early, at token {}", tokens.count)
}

#[derive(Deserialize)]
struct ChunkEvent {
    payload: ChunkPayload,
}

#[derive(Deserialize)]
struct ChunkPayload {
    offset: u64,
    content: String,
}

#[derive(Deserialize)]
struct ModelChunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: ModelDelta,
}

#[derive(Deserialize)]
struct ModelDelta {
    #[serde(default)]
    content: Option<String>,
}
