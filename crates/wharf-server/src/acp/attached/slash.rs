//! Slash commands, sent as prompts: answered here, without the model and without a trace on the log.

use agent_client_protocol_schema::v1 as acp;
use wharf_protocol::rest::{CompactSession, ForkSession, UpdateSession};
use wharf_protocol::slash::{SessionSlash, Slash, SlashCommand, Surface};
use wharf_protocol::{ContentBlock, MessageId, Session};

use super::Attached;
use crate::acp::content::text_block;
use crate::acp::options::MODELS_WAIT;
use crate::acp::outbox::{self, Gone};
use crate::acp::rpc::{Id, RpcError};
use crate::random::random_bits;

/// The commands that editors are offered.
pub(in crate::acp) fn offered() -> acp::SessionUpdate {
    let command = |command: SlashCommand| {
        let offered = acp::AvailableCommand::new(command.id(), command.description());
        match command.hint() {
            Some(hint) => {
                offered.input(acp::AvailableCommandInput::Unstructured(acp::UnstructuredCommandInput::new(hint)))
            }
            None => offered,
        }
    };
    let commands = SlashCommand::offered(Surface::Editor).map(command).collect();
    acp::SessionUpdate::AvailableCommandsUpdate(acp::AvailableCommandsUpdate::new(commands))
}

/// The command that a prompt is. What only looks like one is for the model: a path, or a command of its own.
pub(super) fn command_of(blocks: &[ContentBlock]) -> Option<Result<SessionSlash, String>> {
    let [ContentBlock::Text { text }] = blocks else { return None };
    match Slash::parse(text)? {
        Slash::Session(command) => Some(Ok(command)),
        Slash::Wrong(told) => Some(Err(told)),
        Slash::Unknown(_) | Slash::Terminal(_) => None,
    }
}

impl Attached {
    /// Does what was asked for, says what came of it, and answers the prompt.
    pub(super) async fn slash(&mut self, id: &Id, command: Result<SessionSlash, String>) -> Result<(), Gone> {
        let said = match command {
            Ok(command) => self.carry_out(command).await,
            Err(told) => Err(RpcError::invalid_params(told)),
        };
        let said = match said {
            Ok(said) => said,
            Err(error) => return self.context.out.answer(id, Err::<(), _>(error)).await,
        };
        let message_id = MessageId::from_bits(random_bits());
        let chunk = acp::ContentChunk::new(text_block(said)).message_id(acp::MessageId::new(message_id.as_str()));
        let update = acp::SessionUpdate::AgentMessageChunk(chunk);
        self.context.out.send(vec![outbox::update(&self.session_id, update, None)]).await?;
        self.context.out.answer(id, Ok(acp::PromptResponse::new(acp::StopReason::EndTurn))).await
    }

    async fn carry_out(&mut self, command: SessionSlash) -> Result<String, RpcError> {
        self.ensure_view().await?;
        let access = self.context.principal.access.clone();
        let session = access.session(&self.session_id).await?;
        let unchanged = UpdateSession::default();
        Ok(match command {
            SessionSlash::Help => help(),
            SessionSlash::Status => status(&session),
            SessionSlash::Tools => {
                let agent = access.agents().into_iter().find(|agent| agent.name == session.agent_name);
                let has = |name: &String| agent.as_ref().is_none_or(|agent| agent.tools.contains(name));
                let tools = access.tools();
                list(tools.iter().filter(|tool| has(&tool.name)).map(|tool| (&*tool.name, &*tool.description)))
            }
            SessionSlash::Agents => list(access.agents().iter().map(|agent| (&*agent.name, &*agent.description))),
            SessionSlash::Models => {
                let models = access.models(MODELS_WAIT).await;
                let usable = models.providers.iter().filter(|provider| provider.available);
                list(usable.flat_map(|provider| &provider.models).map(|model| (&*model.id, "")))
            }
            SessionSlash::Agent(None) => session.agent_name,
            SessionSlash::Agent(agent_name) => {
                let changed = self.update(UpdateSession { agent_name, ..unchanged }).await?;
                format!("The agent is {} from the next prompt on.", changed.agent_name)
            }
            SessionSlash::Model(None) => session.model,
            SessionSlash::Model(model) => {
                let changed = self.update(UpdateSession { model, ..unchanged }).await?;
                format!("The model is {}.", changed.model)
            }
            SessionSlash::Mode(None) => session.mode.to_string(),
            SessionSlash::Mode(mode) => {
                let changed = self.update(UpdateSession { mode, ..unchanged }).await?;
                format!("The mode is {}.", changed.mode)
            }
            SessionSlash::Thinking(None) => session.thinking.to_string(),
            SessionSlash::Thinking(thinking) => {
                let changed = self.update(UpdateSession { thinking, ..unchanged }).await?;
                format!("The thinking level is {}.", changed.thinking)
            }
            SessionSlash::Clear => {
                access.clear_messages(&self.session_id).await?;
                "What was said is forgotten; the model starts afresh.".to_owned()
            }
            SessionSlash::Compact(focus) => {
                access.compact(&self.session_id, CompactSession { focus }).await?;
                "The model sums up what was said. Until it is done, prompts wait.".to_owned()
            }
            SessionSlash::Fork(at_seq) => {
                let fork = ForkSession { at_seq, ..ForkSession::default() };
                let forked = access.fork_session(&self.session_id, fork).await?;
                format!("The copy is session `{}`.", forked.id)
            }
            SessionSlash::Queue => {
                let waiting = access.queue(&self.session_id).await?.prompts;
                let texts: Vec<String> = waiting.iter().map(|prompt| prompt.content.text()).collect();
                list(texts.iter().map(|text| (text.lines().next().unwrap_or_default(), "")))
            }
        })
    }
}

fn help() -> String {
    let line = |command: SlashCommand| {
        let hint = command.hint().map(|hint| format!(" {hint}")).unwrap_or_default();
        (format!("/{}{hint}", command.id()), command.description())
    };
    let lines: Vec<_> = SlashCommand::offered(Surface::Editor).map(line).collect();
    list(lines.iter().map(|(name, description)| (name.as_str(), *description)))
}

fn status(session: &Session) -> String {
    let Session { id, agent_name, model, mode, thinking, cwd, status, token_usage, cost, queued_count, .. } = session;
    let further = session.additional_directories.iter().map(|path| ("further directory", path.display().to_string()));
    let mut rows = vec![("session", id.to_string()), ("directory", cwd.display().to_string())];
    rows.extend(further);
    rows.extend([
        ("agent", agent_name.clone()),
        ("model", model.clone()),
        ("mode", mode.to_string()),
        ("thinking", thinking.to_string()),
        ("status", status.as_str().to_owned()),
        ("waiting prompts", queued_count.to_string()),
        ("tokens", token_usage.total_tokens.to_string()),
        ("cost", cost.to_string()),
    ]);
    rows.iter().map(|(name, value)| format!("* {name}: `{value}`\n")).collect()
}

/// Names with what they are, as Markdown.
fn list<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let line = |(name, about): (&str, &str)| match about.lines().next() {
        Some(about) if !about.is_empty() => format!("* `{name}`: {about}\n"),
        _ => format!("* `{name}`\n"),
    };
    let text: String = rows.map(line).collect();
    if text.is_empty() { "There is none.".to_owned() } else { text }
}
