//! Which session a command works in: a named one, this directory's latest, or a new one.

use std::path::{Path, PathBuf};

use wharf_client::Client;
use wharf_protocol::rest::{CreateSession, SessionQuery, UpdateSession};
use wharf_protocol::{Session, SessionId};

use crate::connect::{Context, is_this_machine};
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::process;
use crate::terminal::Style;

/// What the command line says of the session.
pub struct Wanted<'a> {
    pub session: Option<&'a str>,
    pub latest: bool,
    pub agent: Option<&'a str>,
    pub cwd: Option<&'a Path>,
    /// To be reached beside it.
    pub add_dirs: &'a [PathBuf],
}

impl Wanted<'_> {
    /// Refuses what cannot be changed about a session that exists, rather than ignoring it.
    fn check_for(&self, session: &Session) -> anyhow::Result<()> {
        if let Some(agent) = self.agent.filter(|agent| *agent != session.agent_name) {
            let text = format!(
                "session {} uses the agent {}; --agent {agent} is for new sessions",
                session.id, session.agent_name
            );
            return Err(Failure::new(Exit::Usage, text).hint("`/agent NAME` in `wharf attach` changes it").into());
        }
        if self.session.is_some()
            && let Some(cwd) = self.cwd
            && cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned()) != session.cwd
        {
            let text =
                format!("session {} works in {}; a session keeps its directory", session.id, session.cwd.display());
            return Err(Failure::new(Exit::Usage, text)
                .hint("leave out -C, or leave out --session for a new session")
                .into());
        }
        Ok(())
    }
}

/// An id as it was typed.
pub fn id(text: &str) -> anyhow::Result<SessionId> {
    text.parse().map_err(|error| {
        Failure::new(Exit::Usage, format!("{text:?} is no session: {error}")).hint("`wharf sessions` lists them").into()
    })
}

pub async fn choose(client: &Client, context: &Context, wanted: Wanted<'_>) -> anyhow::Result<Session> {
    let further = wanted.add_dirs.iter().map(|dir| as_known(client, dir)).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(text) = wanted.session {
        let session = client.session(&id(text)?).await?;
        wanted.check_for(&session)?;
        return adjust(client, context, session, further).await;
    }
    let cwd = directory(client, context, wanted.cwd)?;
    if wanted.latest {
        let query = SessionQuery { limit: Some(1), cwd: cwd.clone(), ..SessionQuery::default() };
        if let Some(session) = client.sessions(query).await?.sessions.into_iter().next() {
            wanted.check_for(&session)?;
            return adjust(client, context, session, further).await;
        }
        let place = cwd.map_or_else(|| "there".to_owned(), |cwd| cwd.display().to_string());
        return Err(Failure::new(Exit::Failed, format!("no session has worked in {place}"))
            .hint("leave out --continue for a new one")
            .into());
    }
    create(client, context, cwd, further, wanted.agent).await
}

/// A new session in `cwd`.
pub async fn create(
    client: &Client,
    context: &Context,
    cwd: Option<PathBuf>,
    additional_directories: Vec<PathBuf>,
    agent: Option<&str>,
) -> anyhow::Result<Session> {
    let is_here = client.url().is_none();
    let body = CreateSession {
        cwd,
        additional_directories,
        agent_name: agent.map(str::to_owned),
        // An engine in this process has its default from the same configuration, and its base URL with it.
        model: context.config.model.clone().filter(|_| !is_here),
        mode: context.given.permission_set.then_some(context.config.permission),
        ..CreateSession::default()
    };
    Ok(client.create_session(body).await?)
}

/// What flags say holds for a session that is there already, too.
async fn adjust(
    client: &Client,
    context: &Context,
    session: Session,
    further: Vec<PathBuf>,
) -> anyhow::Result<Session> {
    let mut all = session.additional_directories.clone();
    all.extend(further.into_iter().filter(|dir| !session.additional_directories.contains(dir)));
    let update = UpdateSession {
        model: context.config.model.clone().filter(|model| context.given.model && *model != session.model),
        mode: (context.given.permission && context.config.permission != session.mode)
            .then_some(context.config.permission),
        additional_directories: (all != session.additional_directories).then_some(all),
        ..UpdateSession::default()
    };
    if update == UpdateSession::default() {
        return Ok(session);
    }
    // The change outlives this command: every client of the session gets it.
    let changed: Vec<String> = [
        update.model.as_ref().map(|model| format!("model {model}")),
        update.mode.map(|mode| format!("permission {mode}")),
        update.additional_directories.as_ref().map(|all| format!("{} additional directories", all.len())),
    ]
    .into_iter()
    .flatten()
    .collect();
    note(&Style::for_stderr().dim(&format!("session {} now has: {}", session.id, changed.join(", "))));
    Ok(client.update_session(&session.id, update).await?)
}

/// The directory as the server knows it: a server on another machine has its own.
fn directory(client: &Client, context: &Context, cwd: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    if is_elsewhere(client) {
        return Ok(cwd.map(Path::to_owned));
    }
    let dir = match (cwd, &context.config.work_dir) {
        (Some(dir), _) => dir.to_owned(),
        (None, Some(dir)) => dir.clone(),
        (None, None) => process::directory()?,
    };
    Ok(Some(as_known(client, &dir)?))
}

/// A directory that was named here, as the server knows it.
fn as_known(client: &Client, dir: &Path) -> anyhow::Result<PathBuf> {
    if is_elsewhere(client) {
        return Ok(dir.to_owned());
    }
    dir.canonicalize().map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot work in {}: {error}", dir.display()))
            .hint("name a directory that is there with -C")
            .into()
    })
}

fn is_elsewhere(client: &Client) -> bool {
    client.url().is_some_and(|url| !is_this_machine(url))
}
