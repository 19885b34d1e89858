//! A running reply: the connection on one side, deltas on the other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::Response;
use serde_json::{Map, Value};
use tokio::time::{Instant, Sleep};
use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::{ToolSpec, UnseenImages};

use super::decoder::{Decoder, Wire};
use super::said::Progress;
use crate::Delta;
use crate::http::{failure, place};
use crate::key::ApiKey;
use crate::origin::Origin;

/// Once the model has finished, only usage may follow: a server that keeps the line open is not waited for longer.
const AFTER_FINISH: Duration = Duration::from_secs(5);

/// Pieces of the body that are taken in before what they held goes out. Each is there already: none is waited for.
const MAX_PIECES_AT_ONCE: usize = 64;

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// The deltas of one reply. Dropping it closes the connection, which ends the model's work.
pub(crate) struct ReplyStream<W> {
    /// Gone once the reply has ended, one way or the other.
    running: Option<Running<W>>,
    ready: VecDeque<Delta>,
    /// Pieces since a delta last went out.
    gathered: usize,
    /// `ready` goes out before more is read.
    delivering: bool,
    end: Option<Result<Delta, ModelError>>,
    /// Reasoning has gone out.
    reasons: bool,
    idle: Duration,
    origin: Arc<Origin>,
    key: Option<ApiKey>,
    unseen: UnseenImages,
    place: String,
}

/// What a reply answers.
pub(crate) struct Asked {
    pub(crate) origin: Arc<Origin>,
    pub(crate) key: Option<ApiKey>,
    pub(crate) tools: Arc<[Arc<ToolSpec>]>,
    /// Images that the model was not shown.
    pub(crate) unseen: UnseenImages,
}

struct Running<W> {
    body: Body,
    decoder: Decoder<W>,
    deadline: Pin<Box<Sleep>>,
    /// The decoder's steps when the deadline was set. It is moved when there is nothing to read, not with every token; and never by
    /// comments or empty chunks, which a server can send for ever.
    steps: u64,
    /// Bytes have come since then.
    moved: bool,
}

/// How the body came to its end.
enum BodyEnd {
    /// As HTTP ends one, or behind `[DONE]`.
    Complete,
    /// Before that.
    Broken(ModelError),
    /// What it said was no reply, or an error.
    Bad(ModelError),
}

impl<W: Wire> ReplyStream<W> {
    pub(crate) fn new(response: Response, wire: W, idle: Duration, asked: Asked) -> Self {
        let Asked { origin, key, tools, unseen } = asked;
        let place = place(response.url());
        let running = Running {
            body: Box::pin(response.bytes_stream()),
            decoder: Decoder::new(wire, tools),
            deadline: Box::pin(tokio::time::sleep(idle)),
            steps: 0,
            moved: false,
        };
        Self {
            running: Some(running),
            ready: VecDeque::new(),
            gathered: 0,
            delivering: false,
            end: None,
            reasons: false,
            idle,
            origin,
            key,
            unseen,
            place,
        }
    }

    /// Takes in what is there, and waits only if that is nothing.
    ///
    /// The connection's own task hands over one piece at a time, even where one read of the socket brought many. So
    /// whoever got a piece lets that task run once before it delivers: a fast server's deltas then leave together, and
    /// a slow one's are held for one pass of the scheduler.
    fn read(&mut self, running: &mut Running<W>, cx: &mut Context<'_>) -> Option<BodyEnd> {
        let before = self.gathered;
        while self.gathered < MAX_PIECES_AT_ONCE {
            match running.body.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    self.gathered += 1;
                    running.moved = true;
                    if let Err(error) = running.decoder.feed(&piece, &mut self.ready) {
                        return Some(BodyEnd::Bad(error));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let message = format!("the connection to {} broke: {}", self.place, failure::chain(&error));
                    return Some(BodyEnd::Broken(failed(ModelErrorKind::Connection, message)));
                }
                Poll::Ready(None) => return Some(BodyEnd::Complete),
                Poll::Pending if self.gathered > before => {
                    cx.waker().wake_by_ref();
                    return None;
                }
                // The end of the body was looked for, so that the connection can serve the next request.
                Poll::Pending if running.decoder.progress() == Progress::Done => return Some(BodyEnd::Complete),
                Poll::Pending if self.ready.is_empty() => {
                    self.gathered = 0;
                    return self.wait(running, cx);
                }
                Poll::Pending => {
                    self.delivering = true;
                    return None;
                }
            }
        }
        // Others get their turn: a fast server must not keep this task busy.
        self.gathered = 0;
        self.delivering = true;
        cx.waker().wake_by_ref();
        None
    }

    fn wait(&self, running: &mut Running<W>, cx: &mut Context<'_>) -> Option<BodyEnd> {
        let steps = running.decoder.steps();
        let moved = std::mem::take(&mut running.moved);
        let has_advanced = std::mem::replace(&mut running.steps, steps) != steps;
        if has_advanced || (moved && running.decoder.is_amid_chunk()) {
            let ending = running.decoder.progress() == Progress::Ending;
            let limit = if ending { self.idle.min(AFTER_FINISH) } else { self.idle };
            running.deadline.as_mut().reset(Instant::now() + limit);
        }
        running.deadline.as_mut().poll(cx).is_ready().then(|| {
            let message = format!("{} sent nothing of the reply for {} ms", self.place, self.idle.as_millis());
            BodyEnd::Broken(failed(ModelErrorKind::Timeout, message))
        })
    }

    fn finish(&mut self, running: Running<W>, end: BodyEnd) -> Result<Delta, ModelError> {
        let outcome = match end {
            BodyEnd::Complete => running.decoder.end(&mut self.ready),
            BodyEnd::Broken(cause) => running.decoder.broken(cause),
            BodyEnd::Bad(error) => Err(error),
        };
        match outcome {
            Ok(mut reply) => {
                // Also where the model wants nothing back: another one has to know that this was not its own.
                let reasons = self.reasons || self.ready.iter().any(|delta| matches!(delta, Delta::Reasoning(_)));
                if reasons && reply.provider_data.is_none() {
                    reply.provider_data = Some(Value::Object(Map::new()));
                }
                self.origin.sign(&mut reply);
                reply.unseen = self.unseen;
                Ok(Delta::Finished(reply))
            }
            Err(error) => Err(failure::redacted(error, self.key.as_ref().map(ApiKey::reveal))),
        }
    }
}

impl<W: Wire> Stream for ReplyStream<W> {
    type Item = Result<Delta, ModelError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if !this.delivering
            && let Some(mut running) = this.running.take()
        {
            match this.read(&mut running, cx) {
                Some(end) => this.end = Some(this.finish(running, end)),
                None => this.running = Some(running),
            }
        }
        if this.delivering || this.running.is_none() {
            if let Some(delta) = this.ready.pop_front() {
                this.delivering = !this.ready.is_empty();
                this.gathered = 0;
                this.reasons |= matches!(delta, Delta::Reasoning(_));
                return Poll::Ready(Some(Ok(delta)));
            }
            this.delivering = false;
            if this.running.is_none() {
                return Poll::Ready(this.end.take());
            }
        }
        Poll::Pending
    }
}

fn failed(kind: ModelErrorKind, message: String) -> ModelError {
    ModelError { kind, message, retry_after_ms: None }
}
