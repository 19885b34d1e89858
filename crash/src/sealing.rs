//! One session kills the server each time it is taken up: it has to be sealed, and nothing else may suffer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::check::Violation;
use crate::clients::Rest;
use crate::lab::Lab;
use crate::plan::Kill;

/// Deaths after which a session is sealed.
const DEATHS: usize = 3;
/// How long turns may take to come to their end.
const SETTLE: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// The sessions of the scenario: the first one kills.
const SESSIONS: [&str; 3] = ["session-sealing-killer", "session-sealing-beside", "session-sealing-idle"];

pub async fn play(lab: &mut Lab) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    let mut demand = |holds: bool, what: String| {
        if !holds {
            violations.push(Violation { check: "sealed", what });
        }
    };
    let server = lab.start(None, None, false).await?.context("a server died that nobody killed")?;
    let rest = lab.rest(&server, false)?;
    for (number, session) in SESSIONS.into_iter().enumerate() {
        send(&rest, "POST", "", &json!({ "session_id": session, "mode": "full" })).await?;
        if number < 2 {
            let slow = json!([{ "say": "one two three four five six seven eight nine ten", "every_ms": 150 }]);
            prompt(&rest, session, &format!("[[steps {slow}]]")).await?;
        }
    }
    lab.to_server.set_target(None);
    drop((server, rest));

    let kill = Kill::For { point: "recovery.after_load", subject: SESSIONS[0].to_owned() };
    for _ in 0..DEATHS {
        let mut server = match lab.start(Some(&kill), None, false).await? {
            Some(server) => server,
            None => continue,
        };
        let died = crate::round::wait_for(SETTLE, || server.ended().is_some()).await;
        ensure!(died, "the server did not come to take the session up");
    }

    let server = lab.start(Some(&kill), None, false).await?.context("a sealed session killed the server")?;
    let rest = lab.rest(&server, false)?;
    demand(until_idle(&rest, SESSIONS[1]).await?, "the session beside it did not come to its end".to_owned());
    let view = send(&rest, "GET", &format!("/{}", SESSIONS[0]), &Value::Null).await?;
    demand(view["status"] == "sealed" && view["sealed"]["reason"] == "recovery_crashed", format!("its view: {view}"));
    let (status, told) = prompt(&rest, SESSIONS[0], "more").await?;
    demand(status == 409 && told["code"] == "SESSION_SEALED", format!("a prompt: {status} {told}"));
    let messages = send(&rest, "GET", &format!("/{}/messages", SESSIONS[0]), &Value::Null).await?;
    demand(messages["messages"].as_array().is_some_and(|list| !list.is_empty()), format!("its messages: {messages}"));
    let (status, _) = prompt(&rest, SESSIONS[2], "[[say a few words]]").await?;
    demand((200..300).contains(&status), format!("another session answers {status}"));
    drop((server, rest));

    // Whatever it was is gone: the turn goes on from where it was.
    let server = lab.start(None, None, false).await?.context("a server died that nobody killed")?;
    let rest = lab.rest(&server, false)?;
    let view = send(&rest, "POST", &format!("/{}/unseal", SESSIONS[0]), &Value::Null).await?;
    demand(view["status"] != "sealed", format!("unsealed: {view}"));
    demand(until_idle(&rest, SESSIONS[0]).await?, "the unsealed session did not come to its end".to_owned());
    let turns = send(&rest, "GET", &format!("/{}/turns", SESSIONS[0]), &Value::Null).await?;
    let ends: Vec<&Value> = turns["turns"].as_array().into_iter().flatten().map(|turn| &turn["status"]).collect();
    demand(ends == [&json!("completed")], format!("its turns: {turns}"));
    Ok(violations)
}

async fn send(rest: &Rest, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = (method == "POST").then_some(body).filter(|body| !body.is_null());
    Ok(rest.send(method, &format!("/api/v1/sessions{path}"), &[], body).await?.1)
}

async fn prompt(rest: &Rest, session: &str, text: &str) -> Result<(u16, Value)> {
    let path = format!("/api/v1/sessions/{session}/prompt");
    Ok(rest.send("POST", &path, &[("prefer", "respond-async")], Some(&json!({ "content": text }))).await?)
}

async fn until_idle(rest: &Rest, session: &str) -> Result<bool> {
    let deadline = std::time::Instant::now() + SETTLE;
    while std::time::Instant::now() < deadline {
        if send(rest, "GET", &format!("/{session}"), &Value::Null).await?["status"] == "idle" {
            return Ok(true);
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    Ok(false)
}
