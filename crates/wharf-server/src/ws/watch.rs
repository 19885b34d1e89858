//! Subscriptions of a socket: one task for each session that it watches, or one for all of them.

use axum::extract::ws::Utf8Bytes;
use serde_json::Map;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use wharf_engine::{AllCursor, Cursor, EngineError};

use super::envelope;
use crate::app::App;
use crate::error::Failure;
use crate::task;
use crate::websocket::Outgoing;

/// Events pulled at a time, in bytes.
const BATCH_BYTES: usize = 32 << 10;

/// A running subscription; ends when dropped.
pub(super) struct Watch(AbortOnDropHandle<()>);

impl Watch {
    pub(super) fn session(app: &App, mut cursor: Cursor, out: mpsc::Sender<Outgoing>) -> Self {
        let app = app.clone();
        Self::spawn(async move {
            loop {
                let frames = match cursor.next(BATCH_BYTES).await {
                    Ok(events) => events.iter().map(envelope::event).collect(),
                    Err(error) => return tell_end(&out, error).await,
                };
                if pass_on(&app, &out, frames).await.is_none() {
                    return;
                }
            }
        })
    }

    pub(super) fn all(app: &App, mut cursor: AllCursor, out: mpsc::Sender<Outgoing>) -> Self {
        let app = app.clone();
        Self::spawn(async move {
            loop {
                let frames = match cursor.next(BATCH_BYTES).await {
                    Ok(events) => events.iter().map(|(_, event)| envelope::event(event)).collect(),
                    Err(error) => return tell_end(&out, error).await,
                };
                if pass_on(&app, &out, frames).await.is_none() {
                    return;
                }
            }
        })
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(task::owned(task))
    }

    /// Ends it: when this returns, nothing more of it is written.
    pub(super) async fn stop(self) {
        self.0.abort();
        // It was aborted: there is nothing to learn from how it ended.
        let _ = self.0.await;
    }
}

async fn pass_on(app: &App, out: &mpsc::Sender<Outgoing>, frames: Vec<Utf8Bytes>) -> Option<()> {
    app.metrics.count_streamed(frames.len(), frames.iter().map(|frame| frame.as_str().len()).sum());
    out.send(Outgoing::Frames(frames)).await.ok()
}

/// The socket lives on; only this subscription has ended.
async fn tell_end(out: &mpsc::Sender<Outgoing>, error: EngineError) {
    let error = Failure::from(error).into_api();
    let mut payload = Map::new();
    payload.insert("error".to_owned(), serde_json::json!(error));
    let frame = envelope::transport_event("disconnected", payload);
    // The socket may have gone meanwhile.
    let _ = out.send(Outgoing::Frames(vec![frame])).await;
}
