//! `prompt` on a socket: accepted in the order of the requests, answered frame by frame while others are served.

use tokio::sync::mpsc;
use wharf_protocol::{Prompt, SessionId};

use super::envelope;
use crate::app::App;
use crate::error::Result;
use crate::gate::Principal;
use crate::turn_frames::TurnFrames;
use crate::websocket::Outgoing;

/// Accepts a prompt. From here on the turn depends on no client.
pub(super) async fn accept(
    app: &App,
    principal: &Principal,
    session_id: &SessionId,
    prompt: Prompt,
    answers: bool,
) -> Result<TurnFrames> {
    let accepted = principal.access.prompt(session_id, prompt).await?;
    TurnFrames::follow(app, principal, session_id, &accepted, answers).await
}

/// Passes the turn's frames on, up to its end or the socket's.
pub(super) async fn follow(mut frames: TurnFrames, id: String, out: mpsc::Sender<Outgoing>) {
    while let Some(batch) = frames.next().await {
        let batch = batch.iter().map(|frame| envelope::turn_frame(&id, frame)).collect();
        if out.send(Outgoing::Frames(batch)).await.is_err() {
            return;
        }
    }
}
