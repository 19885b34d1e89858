//! `wharf acp`: what the process between an editor and the server costs, and what ACP clients cost the server.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use wharf_testkit::acp::{Peer, text};
use wharf_testkit::process::{memory_kib, wharf_binary};

use crate::lab::{Lab, Server, percentile};
use crate::memory::resident;
use crate::table::{Figure, Table};

const WARM_UP: usize = 500;
const ROUND_TRIPS: usize = 5_000;
/// The cheapest answer that there is: what is measured is the way.
const ASK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"_nothing"}"#;
const UPDATES: usize = 10_000;
const CLIENTS: usize = 10;
/// A bridge that was not used for so long has given back what it does not need to wait.
const QUIET: Duration = Duration::from_secs(12);
/// What a stalled client has not read is with the server by then, as far as it takes it.
const STALL: Duration = Duration::from_millis(500);

pub async fn measure(lab: &Lab, table: &mut Table) -> Result<()> {
    let server = lab.server().await;
    round_trips(&server, table).await?;
    idle(&server, table).await?;
    drop(server);
    let without = growth(&lab.server().await, 1, false).await?;
    for (what, clients, stalls) in [
        ("server growth in 10,000 updates to an ACP client that has stopped reading", 1, true),
        ("the same to ten ACP clients that read", CLIENTS, false),
    ] {
        let with = growth(&lab.server().await, clients, stalls).await?;
        let other = ("to one that reads", Figure::kib(without));
        table.compare(what, Figure::kib(with), other, "no more than without");
    }
    Ok(())
}

async fn round_trips(server: &Server, table: &mut Table) -> Result<()> {
    let (mut direct, mut bridged) = (socket(server).await?, bridge(server).await);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    // Turn by turn: what disturbs one disturbs the other.
    for at in 0..WARM_UP + ROUND_TRIPS {
        for (peer, times) in [(&mut direct, &mut bare), (&mut bridged, &mut ours)] {
            let asked = Instant::now();
            peer.exchange(ASK).await;
            if at >= WARM_UP {
                times.push(asked.elapsed().as_secs_f64());
            }
        }
    }
    for (what, part, target) in [("p50", 0.5, "100 us more"), ("p99", 0.99, "-")] {
        let (bridged, direct) = (percentile(&mut ours, part), percentile(&mut bare, part));
        let what = format!("a round trip through wharf acp, {what}");
        table.compare(&what, Figure::seconds(bridged), ("without it", Figure::seconds(direct)), target);
        let what = what.replace("a round trip through", "added by");
        table.add(&what, Figure::seconds(bridged - direct), target);
    }
    Ok(())
}

async fn idle(server: &Server, table: &mut Table) -> Result<()> {
    let mut bridged = bridge(server).await;
    let session = session(server, &mut bridged).await?;
    bridged.turn(&session, "[[say hello]]").await;
    let pid = bridged.pid().context("the bridge is a process")?;
    tokio::time::sleep(QUIET).await;
    let all = resident(pid).await?;
    let private = memory_kib(pid, "RssAnon").context("the bridge is gone")? as f64;
    table.add("wharf acp, resident memory, idle", Figure::kib(all), "5 MiB");
    table.add("of it private (the rest is the program's own file, mapped)", Figure::kib(private), "-");
    Ok(())
}

/// How much the server grows over a long turn that one client has asked for and `clients` see.
async fn growth(server: &Server, clients: usize, stalls: bool) -> Result<f64> {
    let mut first = socket(server).await?;
    let session = session(server, &mut first).await?;
    first.turn(&session, "[[stream 10]]").await;
    let mut others = Vec::new();
    for _ in 1..clients {
        let mut other = socket(server).await?;
        other.call("session/resume", json!({ "sessionId": session, "cwd": server.home.work.path() })).await;
        others.push(other);
    }
    let before = resident(server.pid()).await?;
    let id = first.prompt(&session, &format!("[[stream {UPDATES}]]")).await;
    if stalls {
        // The turn ends on the server while nothing is read here.
        while server.status_of(&session).await? == "busy" {
            tokio::time::sleep(STALL).await;
        }
        let grown = resident(server.pid()).await? - before;
        anyhow::ensure!(words(&text(&first.until_answer(id).await, "agent_message_chunk")) == UPDATES, "text was lost");
        return Ok(grown);
    }
    let whole = text(&first.until_answer(id).await, "agent_message_chunk");
    anyhow::ensure!(words(&whole) == UPDATES, "text was lost");
    for other in &mut others {
        let mut seen = String::new();
        while seen.len() < whole.len() {
            let chunk = other.update("agent_message_chunk").await;
            seen += chunk["content"]["text"].as_str().unwrap_or_default();
        }
        anyhow::ensure!(seen == whole, "a client saw another text");
    }
    Ok(resident(server.pid()).await? - before)
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

async fn session(server: &Server, peer: &mut Peer) -> Result<String> {
    let new = json!({ "cwd": server.home.work.path(), "mcpServers": [] });
    let answer = peer.call("session/new", new).await;
    answer["sessionId"].as_str().map(str::to_owned).context("a session")
}

async fn socket(server: &Server) -> Result<Peer> {
    let address = server.process.url().replacen("http", "ws", 1) + "/acp";
    let key = format!("Bearer {}", server.process.key().context("a key")?);
    Ok(started(Peer::socket(&address, &[("authorization", &key)]).await).await)
}

async fn bridge(server: &Server) -> Peer {
    let state = server.home.state.path();
    let mut command = Command::new(wharf_binary());
    command.arg("acp").env("WHARF_STATE_DIR", state).env("XDG_CONFIG_HOME", state).env_remove("WHARF_CONFIG");
    started(Peer::process(command)).await
}

async fn started(mut peer: Peer) -> Peer {
    peer.call("initialize", json!({ "protocolVersion": 1 })).await;
    peer
}
