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

#[cfg(test)]
mod tests {
    //! What a reader has to notice.

    use wharf_testkit::sse::Frame;

    use super::Tokens;

    fn chunk(seq: u64, offset: u64, content: &str) -> Frame {
        let data = format!(r#"{{"seq":{seq},"payload":{{"offset":{offset},"content":"{content}"}}}}"#);
        Frame { event: "message.chunk".to_owned(), id: Some(seq.to_string()), data }
    }

    fn read(chunks: &[(u64, u64, &str)]) -> Result<usize, String> {
        let mut tokens = Tokens::default();
        for &(seq, offset, content) in chunks {
            tokens.take_event(&chunk(seq, offset, content)).map_err(|error| error.to_string())?;
        }
        Ok(tokens.count)
    }

    #[test]
    fn tokens_may_be_cut_anywhere_but_not_lost_or_repeated() {
        assert_eq!(read(&[(1, 0, "0 1 "), (5, 4, "2"), (6, 5, " 3 ")]), Ok(4));
        assert!(read(&[(1, 0, "0 1 "), (2, 6, "3 ")]).is_err(), "a gap in the offsets");
        assert!(read(&[(1, 0, "0 1 "), (2, 4, "1 ")]).is_err(), "a token twice");
        assert!(read(&[(2, 0, "0 "), (2, 2, "1 ")]).is_err(), "a seq twice");
    }

    #[test]
    fn the_end_of_a_turn_is_seen_and_a_failed_one_is_an_error() {
        let end = |event: &str| Frame { event: event.to_owned(), id: Some("9".to_owned()), data: "{}".to_owned() };
        assert!(Tokens::default().take_event(&end("turn.completed")).unwrap());
        assert!(Tokens::default().take_event(&end("turn.failed")).is_err());
    }
}
