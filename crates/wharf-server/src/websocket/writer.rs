//! The only task that writes to a socket; and the one that notices when the client stops reading.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::app::App;
use crate::connection::Traffic;
use crate::trace::{self, Trace};

/// Batches that wait for the writer; whoever makes more of them waits.
pub(crate) const CAPACITY: usize = 8;

/// The client has to take a close frame within this, when it is not stalled.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What the other tasks of a socket want to be written.
pub(crate) enum Outgoing {
    Frames(Vec<Utf8Bytes>),
    /// The last thing that is written.
    Close(u16, &'static str),
}

/// Why no more can be written.
enum Stuck {
    Gone,
    Stalled,
}

pub(crate) struct Writer {
    pub(crate) sink: SplitSink<WebSocket, Message>,
    pub(crate) traffic: Option<Arc<Traffic>>,
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) app: App,
}

impl Writer {
    /// Writes until told to close, until nobody is left to write for, or until the client is gone.
    pub(crate) async fn run(mut self, mut outgoing: mpsc::Receiver<Outgoing>) {
        let every = self.app.config.timeouts.ping;
        let mut ping = interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let written = tokio::select! {
                next = outgoing.recv() => match next {
                    Some(Outgoing::Frames(frames)) => {
                        if let Some(trace) = &self.trace {
                            frames.iter().for_each(|frame| trace.message(trace::Side::Agent, frame));
                        }
                        self.write(frames.into_iter().map(Message::Text)).await
                    }
                    Some(Outgoing::Close(code, reason)) => return self.close(code, reason).await,
                    None => {
                        // The answer to the client's own close, if it sent one, is waiting to be flushed.
                        let _ = timeout(CLOSE_WAIT, self.sink.close()).await;
                        return;
                    }
                },
                _ = ping.tick() => self.write(std::iter::once(Message::Ping(Bytes::new()))).await,
            };
            match written {
                Ok(()) => {}
                Err(Stuck::Gone) => return,
                Err(Stuck::Stalled) => {
                    tracing::info!("a WebSocket client stopped reading; it may come back with its cursor");
                    self.app.metrics.clients_stalled.fetch_add(1, Ordering::Relaxed);
                    return self.say_goodbye().await;
                }
            }
        }
    }

    async fn write(&mut self, messages: impl Iterator<Item = Message>) -> Result<(), Stuck> {
        let (sink, traffic, stall) = (&mut self.sink, self.traffic.as_ref(), self.app.config.timeouts.stall);
        let taken = || traffic.map_or(0, |traffic| traffic.written.load(Ordering::Relaxed));
        let writing = async {
            for message in messages {
                sink.feed(message).await?;
            }
            sink.flush().await
        };
        let mut writing = std::pin::pin!(writing);
        let mut before = taken();
        loop {
            tokio::select! {
                written = &mut writing => return written.map_err(|_| Stuck::Gone),
                () = sleep(stall) => {
                    let now = taken();
                    if now == before {
                        return Err(Stuck::Stalled);
                    }
                    before = now;
                }
            }
        }
    }

    /// For a client that stopped reading: what was on its way comes first, then the reason; unless it takes nothing still.
    async fn say_goodbye(&mut self) {
        let reason = Utf8Bytes::from_static("too slow: come back with your cursor");
        let frame = Message::Close(Some(CloseFrame { code: close_code::AGAIN, reason }));
        let wait = self.app.config.timeouts.stall * 4;
        let _ = timeout(wait, self.write(std::iter::once(frame))).await;
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        let _ = timeout(CLOSE_WAIT, self.sink.send(frame)).await;
    }
}
