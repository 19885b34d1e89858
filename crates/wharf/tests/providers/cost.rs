//! What calls have cost: on the log, in a session, in `ask --perf`; and unknown where it is unknown.

use std::fs;

use serde_json::{Value, json};
use wharf_testkit::process::WharfHome;
use wharf_testkit::{Reply, ScriptedModel};

use crate::Installation;

#[tokio::test]
async fn a_call_is_priced_or_said_to_be_unpriced() {
    let model = ScriptedModel::start().await;
    let home = WharfHome::new();
    let config = home.state.path().join("wharf/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let profile = format!(
        "[providers.lab]\nbase_url = {:?}\n[providers.lab.models.known]\nprice = {{ input = 2, output = 10 }}\n",
        model.url()
    );
    fs::write(config, profile).unwrap();
    let server = home.server().start().await;
    let session: Value = server.client().post_json("/api/v1/sessions", &json!({ "model": "lab/known" })).await.unwrap();
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    let ask = async || {
        let prompt = json!({ "content": "Hello" });
        let _: Value = server.client().post_json(&format!("{path}/prompt"), &prompt).await.unwrap();
    };
    model.push(Reply::text("1").usage(1_000, 100)).push(Reply::text("2").usage(500, 10));
    ask().await;
    ask().await;
    let change = json!({ "model": "lab/unknown" }).to_string();
    let headers = [("content-type", "application/json")];
    let changed = server.client().send("PATCH", &path, &headers, Some(change.as_bytes())).await.unwrap();
    assert_eq!(changed.status, 200);
    model.push(Reply::text("3").usage(700, 7));
    ask().await;

    let log: Value = server.client().get_json(&format!("{path}/events?limit=1000")).await.unwrap();
    let events = log["events"].as_array().unwrap_or_else(|| panic!("{log:#}"));
    let usage: Vec<&Value> = events.iter().filter(|event| event["type"] == "usage.updated").collect();
    assert_eq!(usage.len(), 3, "{log:#}");
    let of = |event: &Value| event["payload"].clone();
    let (first, last) = (of(usage[0]), of(usage[2]));
    assert_eq!(first["model"], "lab/known", "{first:#}");
    assert_eq!(first["call"]["prompt_tokens"], 1_000, "{first:#}");
    assert_eq!(first["cost"]["call"], json!({ "nano_usd": 3_000_000, "source": "configuration" }), "{first:#}");
    assert!(last["cost"]["call"].is_null(), "{last:#}");
    let sum = json!({ "nano_usd": 4_100_000, "priced_calls": 2, "unpriced_calls": 1 });
    assert_eq!(last["cost"]["session"], sum, "{last:#}");
    assert_eq!(last["cost"]["turn"], json!({ "nano_usd": 0, "priced_calls": 0, "unpriced_calls": 1 }), "{last:#}");
    let session: Value = server.client().get_json(&path).await.unwrap();
    assert_eq!(session["cost"], sum, "{session:#}");
}

#[tokio::test]
async fn a_command_says_what_its_question_has_cost() {
    let model = ScriptedModel::start().await;
    let installation = Installation::new(&format!(
        "[providers.lab]\nbase_url = {:?}\n[providers.lab.models.known]\nprice = {{ input = 2, output = 10 }}\n",
        model.url()
    ));
    model.push(Reply::text("1").usage(1_000, 100));
    let ran = installation.ask("lab/known", &["--perf"]).await;
    assert!(ran.err.contains("1000 tokens in, 100 out · cost $0.0030"), "{ran:?}");
    model.push(Reply::text("1").usage(1_000, 100));
    let ran = installation.ask("lab/other", &["--perf"]).await;
    assert!(ran.err.contains("· cost unknown"), "{ran:?}");
    let ran = installation.run(&["models", "lab"]).await;
    assert!(ran.out.contains("$2.00 in, $10.00 out"), "{ran:?}");

    let ran = installation.run(&["usage", "--by", "model"]).await;
    let line = |name: &str| ran.out.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("lab/known").ends_with("1,000   0       100         $0.0030"), "{ran:?}");
    assert!(line("lab/other").ends_with("unknown"), "{ran:?}");
    assert!(line("total").ends_with("$0.0030 and 1 call of unknown price"), "{ran:?}");
    let ran = installation.run(&["usage", "--until", "2020-01-01", "--json"]).await;
    assert!(ran.out.contains("\"rows\": []"), "{ran:?}");
    let ran = installation.run(&["usage", "--since", "yesterday"]).await;
    assert!(ran.err.contains("--since takes a day"), "{ran:?}");
}
