//! `wharf sessions fork`, `export` and `import`, without a server; and copies whose server is killed while it makes them.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_testkit::process::WharfHome;
use wharf_testkit::{ScriptedModel, WharfProcess};

use crate::Home;

/// Turns of the session that is copied: enough for many pieces.
const TURNS: usize = 1_500;

#[test]
fn a_session_is_forked_exported_and_imported() {
    let home = Home::new();
    assert_eq!(home.run(&["ask", "hello"]).code, Some(0));
    let id = home.sessions()[0]["id"].as_str().unwrap().to_owned();

    let forked = home.run(&["sessions", "fork", &id, "--at", "1"]);
    assert_eq!(forked.code, Some(0), "{}", forked.err);
    let fork = forked.out.trim().to_owned();
    assert!(home.sessions().iter().any(|session| session["id"] == fork.as_str()));

    let file = home.workspace().join("session.jsonl");
    let path = file.to_str().unwrap();
    let exported = home.run(&["sessions", "export", &id, path]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    assert_ne!(home.run(&["sessions", "export", &id, path]).code, Some(0), "never written over");
    assert_eq!(home.run(&["sessions", "export", &id]).out, std::fs::read_to_string(&file).unwrap());
    let imported = home.run(&["sessions", "import", path]);
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    let shown = home.run(&["sessions", "show", imported.out.trim()]);
    assert!(shown.out.contains("hello"), "{}", shown.out);

    // What the doctor saves is the same.
    let dir = home.workspace().join("saved");
    let saved = home.run(&["doctor", "export", dir.to_str().unwrap()]);
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    let saved = dir.join(format!("{id}.jsonl"));
    assert_eq!(std::fs::read_to_string(&saved).unwrap(), std::fs::read_to_string(&file).unwrap());

    std::fs::write(&file, "not an export\n").unwrap();
    let refused = home.run(&["sessions", "import", path]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("line 1"), "{}", refused.err);
}

/// An export of many turns: one turn that was played, again and again with ids of its own.
fn lengthened(export: &str) -> String {
    let lines: Vec<&str> = export.lines().collect();
    let (head, rest) = lines.split_first().unwrap();
    let start = rest.iter().position(|line| line.contains("prompt.received")).unwrap();
    let ids: Vec<String> = ["turn_id", "message_id"]
        .iter()
        .flat_map(|name| rest[start..].iter().filter_map(|line| find(&serde_json::from_str(line).unwrap(), name)))
        .collect();
    let mut out = format!("{head}\n{}\n", rest[0]);
    let mut seq = 1;
    for turn in 0..TURNS {
        for line in &rest[start..] {
            seq += 1;
            let line = ids
                .iter()
                .fold((*line).to_owned(), |line, id| line.replace(&format!("\"{id}\""), &format!("\"{id}-{turn}\"")));
            let mut event: Value = serde_json::from_str(&line).unwrap();
            event["seq"] = seq.into();
            out.push_str(&format!("{event}\n"));
        }
    }
    out
}

fn find(event: &Value, name: &str) -> Option<String> {
    let id = event.get(name).or(event["payload"].get(name))?;
    id.as_str().map(ToOwned::to_owned)
}

async fn session(server: &WharfProcess, id: &str) -> Option<Value> {
    let answer = server.client().get(&format!("/api/v1/sessions/{id}")).await.unwrap();
    (answer.status == 200).then_some(())?;
    Some(answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_copies_leaves_the_whole_copy_or_none() {
    let (home, model) = (WharfHome::new(), ScriptedModel::start().await);
    let mut server = home.server().model_url(model.url()).start().await;
    let made: Value = server.client().post_json("/api/v1/sessions", &json!({})).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let prompt = format!("/api/v1/sessions/{id}/prompt");
    server.client().post(&prompt, &json!({ "content": "[[say one]]" })).await.unwrap().ok().await.unwrap();
    let export = server.client().get(&format!("/api/v1/sessions/{id}/export")).await.unwrap().text().await.unwrap();
    let export = lengthened(&export);
    let lines = [("content-type", "application/x-ndjson")];
    let import = "/api/v1/sessions/import?session_id=long";
    let answer = server.client().send("POST", import, &lines, Some(export.as_bytes())).await.unwrap();
    let long: Value = answer.ok().await.unwrap().json().await.unwrap();
    assert_eq!(long["message_count"], 2 * TURNS);

    let mut whole = 0;
    for (round, delay_ms) in [0, 1, 3, 10, 30, 60, 100, 200].into_iter().enumerate() {
        let fork = format!("fork-{round}");
        let (client, body) = (server.client(), json!({ "session_id": fork }));
        // Its answer may be lost with the server.
        let asked = tokio::spawn(async move { drop(client.post("/api/v1/sessions/long/fork", &body).await) });
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        server.kill();
        asked.await.unwrap();
        server = server.restart().await;
        if session(&server, &fork).await.is_none() {
            let body = json!({ "session_id": fork });
            server.client().post("/api/v1/sessions/long/fork", &body).await.unwrap().ok().await.unwrap();
        } else {
            whole += 1;
        }
        let there = session(&server, &fork).await.unwrap();
        assert_eq!((&there["message_count"], &there["status"]), (&json!(2 * TURNS), &json!("idle")));
        let page: Value = server.client().get_json("/api/v1/sessions?limit=1").await.unwrap();
        assert_eq!(page["total"], round + 3, "nothing half-made is listed");
    }
    assert!(whole < 8, "no kill came in the middle");
    // Nothing half-made is in the store either.
    let page: Value = server.client().get_json("/api/v1/sessions/long/events?after=0&limit=2").await.unwrap();
    assert_eq!(page["events"][0]["type"], "session.created");
    assert_eq!(server.stop().await.code(), Some(0));
}
