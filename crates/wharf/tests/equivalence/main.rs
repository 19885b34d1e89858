//! One scenario through every door: REST with SSE, NDJSON, the WebSocket, the SDK, ACP on a WebSocket and on pipes, and the embedded engine. The log that each
//! one sees has to be the same, whatever things happened to be called and however text was cut into chunks.
//!
//! A new transport joins by adding a [`Door`].

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![allow(clippy::unwrap_used)]

mod acp;
mod doors;
mod normal;

use acp::Acp;
use doors::{Door, Embedded, Ndjson, Rest, Sdk};
use serde_json::json;
use wharf_testkit::{Reply, ScriptedModel, Workspace};

/// Prompts of the scenario. `approve` is answered to each permission; `cancel` is sent at the first text.
struct Act {
    prompt: &'static str,
    approve: Option<&'static str>,
    cancel: bool,
}

const SCENARIO: [Act; 5] = [
    Act { prompt: "write a file", approve: Some("allow_once"), cancel: false },
    Act { prompt: "run a command", approve: Some("reject_once"), cancel: false },
    Act { prompt: "read two files", approve: None, cancel: false },
    Act { prompt: "talk for ever", approve: None, cancel: true },
    Act { prompt: "fail", approve: None, cancel: false },
];

async fn model() -> ScriptedModel {
    let model = ScriptedModel::start().await;
    model
        .push(
            Reply::new()
                .think("hm, ")
                .say("I write it. ")
                .call("write_file", json!({"path": "a.txt", "content": "é\n"})),
        )
        .push(Reply::text("It is written. 🦀"))
        .push(Reply::tool("bash", json!({"command": "touch b.txt"})))
        .push(Reply::text("Then not."))
        // One after the other: reads of one reply run at the same time and end in any order.
        .push(Reply::tool("read_file", json!({"path": "a.txt"})))
        .push(Reply::tool("read_file", json!({"path": "missing.txt"})))
        .push(Reply::text("One of them is there."))
        .push(Reply::text("On and on").hang())
        .push(Reply::http_error(401, "the key is wrong"))
        .push(Reply::text("Goal: files. Done: a.txt."));
    model
}

/// The log of the scenario as one door sees it.
async fn play(door: &dyn Door) -> Vec<String> {
    let session = door.create().await;
    let mut events = Vec::new();
    for act in &SCENARIO {
        events.extend(door.turn(&session, act.prompt, act.approve, act.cancel).await);
    }
    events.extend(door.compact(&session, "the files").await);
    normal::form(&events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_shows_the_same_log() {
    let mut logs: Vec<(&str, Vec<String>)> = Vec::new();
    for name in ["rest+sse", "ndjson", "websocket", "sdk", "acp", "acp+stdio", "embedded"] {
        let (model, workspace) = (model().await, Workspace::new());
        let door: Box<dyn Door> = match name {
            "rest+sse" => Box::new(Rest::start(&model, &workspace).await),
            "ndjson" => Box::new(Ndjson::start(&model, &workspace).await),
            "websocket" => Box::new(Sdk::start(&model, &workspace, true).await),
            "sdk" => Box::new(Sdk::start(&model, &workspace, false).await),
            "acp" => Box::new(Acp::socket(&model, &workspace).await),
            "acp+stdio" => Box::new(Acp::stdio(&model, &workspace).await),
            _ => Box::new(Embedded::start(&model, &workspace).await),
        };
        logs.push((name, play(&*door).await));
        assert_eq!(workspace.read("a.txt"), "é\n");
        assert!(!workspace.exists("b.txt"), "{name}: reject means reject");
        assert_eq!(model.left(), 0, "{name}: the whole script was played");
        model.assert_histories_are_valid();
    }
    let (first, expected) = &logs[0];
    let is_summed_up = |line: &&String| line.contains("context.compacted") && line.contains("Done: a.txt.");
    assert_eq!(expected.iter().filter(is_summed_up).count(), 1, "{expected:#?}");
    assert!(expected.len() > 60, "the scenario covers something: {expected:#?}");
    for (name, log) in &logs[1..] {
        let differs = expected.iter().zip(log).position(|(a, b)| a != b);
        if let Some(at) = differs {
            panic!("event {at} differs\n{first}: {}\n{name}: {}", expected[at], log[at]);
        }
        assert_eq!(expected.len(), log.len(), "{name} saw another number of events than {first}");
    }
}
