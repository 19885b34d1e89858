//! A command in a client's terminal. However it ends, the terminal is released.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use async_trait::async_trait;
use serde::de::IgnoredAny;
use tokio::sync::oneshot;
use tokio::time::timeout;
use wharf_engine::{HostError, Terminal, TerminalCommand, TerminalExit, TerminalOutput};
use wharf_protocol::{CallId, SessionId};

use super::{Host, LONGEST_WAIT};
use crate::acp::asking::Asking;
use crate::acp::attached::ToSession;
use crate::acp::method::Ours;
use crate::terminals::Terminals;

/// For a terminal to open.
const OPEN_WAIT: Duration = Duration::from_secs(10);
/// One that opens later than that is still noticed, and released.
const LATE_WAIT: Duration = Duration::from_secs(60);
const OUTPUT_WAIT: Duration = Duration::from_secs(10);
const KILL_WAIT: Duration = Duration::from_secs(1);
/// For the session's task to learn which terminal to show.
const SHOW_WAIT: Duration = Duration::from_secs(1);

impl Host {
    pub(super) async fn start(&self, call: &CallId, command: TerminalCommand) -> Result<Box<dyn Terminal>, HostError> {
        let TerminalCommand { program, arguments, environment, directory, output_limit } = command;
        let variables = environment.into_iter().map(|(name, value)| acp::EnvVariable::new(name, value)).collect();
        let request = acp::CreateTerminalRequest::new(self.session(), program)
            .args(arguments)
            .env(variables)
            .cwd(self.named(&directory))
            .output_byte_limit(output_limit);
        let (opened, opening) = oneshot::channel();
        let (asking, session_id) = (Arc::clone(&self.asking), self.session_id.clone());
        let terminals = Arc::clone(&self.terminals);
        // On its own: a terminal that opens after the call was stopped is dropped here, and so released.
        self.tasks.spawn(async move {
            let answer = asking.ask::<acp::CreateTerminalResponse>(Ours::CreateTerminal, &request, LATE_WAIT).await;
            let is_over = AtomicBool::new(false);
            let _ = opened.send(answer.map(|acp::CreateTerminalResponse { terminal_id: id, .. }| {
                // Before anybody takes the command for begun.
                terminals.opened(&session_id, &id);
                AtClient { asking, terminals, session_id, id, is_over }
            }));
        });
        let terminal = match timeout(OPEN_WAIT, opening).await {
            Ok(opened) => opened.map_err(|_| HostError::Gone)??,
            Err(_) => return Err(HostError::Silent { after_ms: OPEN_WAIT.as_millis() as u64 }),
        };
        if let Some(commands) = self.commands.upgrade() {
            let shown = ToSession::ShowTerminal { call_id: call.clone(), terminal_id: terminal.id.clone() };
            let _ = timeout(SHOW_WAIT, commands.send(shown)).await;
        }
        Ok(Box::new(terminal))
    }
}

struct AtClient {
    asking: Arc<Asking>,
    terminals: Arc<Terminals>,
    session_id: SessionId,
    id: acp::TerminalId,
    /// The command has ended, or was told to.
    is_over: AtomicBool,
}

impl AtClient {
    fn session(&self) -> acp::SessionId {
        acp::SessionId::new(self.session_id.as_str())
    }
}

#[async_trait]
impl Terminal for AtClient {
    async fn output(&self) -> Result<TerminalOutput, HostError> {
        let request = acp::TerminalOutputRequest::new(self.session(), self.id.clone());
        let answer: acp::TerminalOutputResponse = self.asking.ask(Ours::TerminalOutput, &request, OUTPUT_WAIT).await?;
        Ok(TerminalOutput { text: answer.output, truncated: answer.truncated })
    }

    async fn exit(&self) -> Result<TerminalExit, HostError> {
        let request = acp::WaitForTerminalExitRequest::new(self.session(), self.id.clone());
        let answer: acp::WaitForTerminalExitResponse =
            self.asking.ask(Ours::WaitForTerminalExit, &request, LONGEST_WAIT).await?;
        self.is_over.store(true, Ordering::Relaxed);
        let acp::TerminalExitStatus { exit_code, signal, .. } = answer.exit_status;
        Ok(TerminalExit { code: exit_code, signal })
    }

    async fn kill(&self) -> Result<(), HostError> {
        let request = acp::KillTerminalRequest::new(self.session(), self.id.clone());
        let IgnoredAny = self.asking.ask(Ours::KillTerminal, &request, KILL_WAIT).await?;
        self.is_over.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for AtClient {
    fn drop(&mut self) {
        if !self.is_over.load(Ordering::Relaxed) {
            let kill = acp::KillTerminalRequest::new(self.session(), self.id.clone());
            self.asking.post(Ours::KillTerminal, &kill);
        }
        let release = acp::ReleaseTerminalRequest::new(self.session(), self.id.clone());
        self.asking.post(Ours::ReleaseTerminal, &release);
        self.terminals.closed(&self.session_id, &self.id, self.asking.is_alive());
    }
}
