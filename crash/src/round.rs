//! One round: clients at work, a server that dies once or twice, and what is true when everything has come to its end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_testkit::WharfProcess;

use crate::check::{Evidence, Violation};
use crate::clients::{Clients, Rest};
use crate::history::Seen;
use crate::lab::Lab;
use crate::plan::{HelperKill, Kill, Plan};

/// A server whose fail point is not met by then is killed anyway.
const POINT_LIMIT: Duration = Duration::from_millis(2_500);
/// A server that nobody asks anything of has this long to take up what was left, before it is killed because a point was not met.
/// Three that die while they do that seal a session, as is promised.
const TAKING_UP: Duration = Duration::from_millis(500);
/// How often conditions that nobody announces are looked at.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// Events of one page of the log.
const PAGE: usize = 1_000;

/// What a run is to demand.
#[derive(Debug, Clone, Copy)]
pub struct Demands {
    /// Nothing that a dead server had started may outlive it.
    pub no_orphans: bool,
    /// How long prompts may take to come to their end after the last restart.
    pub settle: Duration,
}

/// What came of a round.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Where each server died.
    pub deaths: Vec<String>,
    /// From the start of each process to its first answer.
    pub ready: Vec<Duration>,
    pub turns: usize,
    pub resumed: usize,
    pub events: usize,
    pub violations: Vec<Violation>,
    /// The log of each session, to be read again when the run is over.
    pub logs: Vec<(String, Vec<Seen>)>,
}

pub async fn play(lab: &mut Lab, plan: &Plan, demands: Demands) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut clients: Vec<Clients> = Vec::new();
    for (number, kill) in plan.kills.iter().enumerate() {
        let began = Instant::now();
        let helper = plan.helper.as_ref().filter(|_| number == 0);
        let Some(mut server) = lab.start(Some(kill), helper, plan.interrupt).await? else {
            outcome.deaths.push(name_of(kill));
            after_death(lab, plan, demands, &mut outcome).await;
            continue;
        };
        outcome.ready.push(began.elapsed());
        if clients.is_empty() {
            clients = start_clients(lab, &server, plan, &tasks, &stop)?;
        }
        outcome.deaths.push(until_dead(lab, &mut server, (kill, helper), began, &clients).await);
        lab.to_server.set_target(None);
        after_death(lab, plan, demands, &mut outcome).await;
    }
    let began = Instant::now();
    let Some(server) = lab.start(None, None, plan.interrupt).await? else { bail!("a server died that nobody killed") };
    outcome.ready.push(began.elapsed());
    if clients.is_empty() {
        clients = start_clients(lab, &server, plan, &tasks, &stop)?;
    }
    let played = finish(lab, server, &clients, demands, &mut outcome).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    played?;
    outcome.violations.extend(lab.check_syncs()?);
    outcome.violations.extend(lab.check_histories().await?);
    Ok(outcome)
}

fn start_clients(
    lab: &Lab,
    server: &WharfProcess,
    plan: &Plan,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Vec<Clients>> {
    let rest = lab.rest(server, true)?;
    let start =
        |session: &crate::plan::SessionPlan| Clients::start(rest.clone(), session.clone(), tasks.clone(), stop.clone());
    Ok(plan.sessions.iter().map(start).collect())
}

async fn after_death(lab: &Lab, plan: &Plan, demands: Demands, outcome: &mut Outcome) {
    if !demands.no_orphans {
        return lab.kill_marked();
    }
    // In a hurry the next server starts beside what may still be dying.
    if !plan.hurry
        && let Some(left) = lab.bury().await
    {
        outcome
            .violations
            .push(Violation { check: "no_orphan", what: format!("2 s after the server's death: {left}") });
    }
}

/// Waits until the server is dead, and kills it when its time has come. Says where it died.
async fn until_dead(
    lab: &Lab,
    server: &mut WharfProcess,
    (kill, helper): (&Kill, Option<&HelperKill>),
    began: Instant,
    clients: &[Clients],
) -> String {
    let mut helper_at = match helper {
        Some(HelperKill::After { name, after }) => Some((*name, *after)),
        _ => None,
    };
    let limit = match kill {
        Kill::After(after) => *after,
        Kill::At { .. } | Kill::For { .. } => POINT_LIMIT,
    };
    loop {
        if server.ended().is_some() {
            return name_of(kill);
        }
        if let Some((name, _)) = helper_at.take_if(|(_, after)| began.elapsed() >= *after) {
            lab.kill_helper(server, name);
        }
        let is_idle =
            began.elapsed() >= TAKING_UP && !matches!(kill, Kill::After(_)) && clients.iter().all(Clients::are_done);
        if began.elapsed() >= limit || is_idle {
            server.kill();
            return match kill {
                Kill::After(_) => name_of(kill),
                Kill::At { .. } | Kill::For { .. } => "point not met".to_owned(),
            };
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

fn name_of(kill: &Kill) -> String {
    match kill {
        Kill::After(_) => "random moment".to_owned(),
        Kill::At { point, .. } | Kill::For { point, .. } => (*point).to_owned(),
    }
}

/// Waits for every end, reads the logs, and checks them.
async fn finish(
    lab: &Lab,
    mut server: WharfProcess,
    clients: &[Clients],
    demands: Demands,
    outcome: &mut Outcome,
) -> Result<()> {
    let rest = lab.rest(&server, false)?;
    wait_for(demands.settle, || clients.iter().all(Clients::are_done)).await;
    // A client that lags asks for a summary when the others are done: what is read below has to be the end.
    let nobody_asks = || clients.iter().filter(|session| !session.history.stop_asking()).count() == 0;
    if !wait_for(demands.settle, nobody_asks).await {
        let what = "a summary was asked for, and no answer came".to_owned();
        outcome.violations.push(Violation { check: "answered", what });
    }
    // What outlives its turn ends by itself.
    let deadline = Instant::now() + demands.settle;
    loop {
        outcome.logs.clear();
        for session in clients {
            outcome.logs.push((session.plan.id.clone(), read_log(&rest, &session.plan.id).await?));
        }
        if outcome.logs.iter().all(|(_, log)| !has_open_work(log)) || Instant::now() > deadline {
            break;
        }
        tokio::time::sleep(POLL_EVERY * 10).await;
    }
    let has_all = |session: &Clients| {
        let last = outcome.logs.iter().find(|(id, _)| *id == session.plan.id).map_or(0, |(_, log)| log.len() as u64);
        let positions = session.history.positions();
        positions.len() == 3 && positions.iter().all(|(_, position)| *position >= last)
    };
    let caught_up = wait_for(demands.settle, || clients.iter().all(has_all)).await;
    if !caught_up {
        for session in clients.iter().filter(|session| !has_all(session)) {
            let what = format!("{}: clients stand at {:?}", session.plan.id, session.history.positions());
            outcome.violations.push(Violation { check: "all_seen", what });
        }
    }
    if !wait_for(Duration::from_secs(2), || wharf_testkit::process::processes_with(&lab.mark).is_empty()).await {
        let what = "nothing runs any more, and a process of a call lives".to_owned();
        outcome.violations.push(Violation { check: "no_child", what });
        lab.kill_marked();
    }
    if server.ended().is_some() {
        bail!("a server died that nobody killed:\n{}", lab.server_output());
    }
    lab.to_server.set_target(None);
    server.kill();
    let effects = lab.effects()?;
    for session in clients {
        let recorded = session.history.lock().clone();
        let Some((id, log)) = outcome.logs.iter().find(|(id, _)| *id == session.plan.id) else { continue };
        let prompts: Vec<String> = session.plan.prompts.iter().map(|prompt| prompt.id.clone()).collect();
        let evidence = Evidence { session: id, prompts: &prompts, recorded: &recorded, log, effects: &effects };
        outcome.violations.extend(evidence.check());
        outcome.turns += log.iter().filter(|event| event.kind == "turn.started").count();
        outcome.resumed += log.iter().filter(|event| event.kind == "turn.resumed").count();
        outcome.events += log.len();
    }
    Ok(())
}

/// Background commands outlive their turns, and summaries are asked for outside of them.
fn has_open_work(log: &[Seen]) -> bool {
    let count = |kind: &str| log.iter().filter(|event| event.kind == kind).count();
    let last = log.iter().rfind(|event| event.kind.starts_with("context."));
    count("command.started") > count("command.ended") || last.is_some_and(|event| event.kind == "context.compacting")
}

pub async fn wait_for(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(POLL_EVERY * 2).await;
    }
}

/// The whole log of a session; empty where there is no such session.
pub async fn read_log(rest: &Rest, session: &str) -> Result<Vec<Seen>> {
    let mut log: Vec<Seen> = Vec::new();
    loop {
        let after = log.last().map_or(0, |event| event.seq);
        let path = format!("/api/v1/sessions/{session}/events?after={after}&limit={PAGE}");
        let (status, page) = rest.send("GET", &path, &[], None).await.with_context(|| format!("GET {path}"))?;
        if status == 404 {
            return Ok(log);
        }
        let events = page["events"].as_array().with_context(|| format!("{status} {page}"))?;
        log.extend(events.iter().filter_map(Seen::from_event));
        if events.is_empty() || page["more"] != Value::Bool(true) {
            return Ok(log);
        }
    }
}
