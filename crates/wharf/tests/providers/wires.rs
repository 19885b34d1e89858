//! `wharf ask --model NAME/MODEL` over each wire, against servers as strict as the real ones.

use std::fs;

use serde_json::{Value, json};
use wharf_testkit::process::WharfHome;
use wharf_testkit::{Reply, ScriptedModel, WharfProcess};

use crate::Installation;

/// A profile of each protocol, with a model name that its rules hold for.
const WIRES: [(&str, &str); 4] = [
    ("openai", "scripted"),
    ("responses", "scripted"),
    ("anthropic", "claude-opus-4-8"),
    ("gemini", "gemini-3-scripted"),
];

#[tokio::test]
async fn a_prompt_reads_and_answers_over_each_wire() {
    for (protocol, name) in WIRES {
        let model = ScriptedModel::start().await;
        model
            .push(Reply::new().think("One file. ").say("I look. ").call("read_file", json!({ "path": "a.txt" })))
            .push(Reply::new().think("Enough. ").say("It says hello."));
        let config = format!(
            "[providers.mine]\nprotocol = {protocol:?}\nbase_url = {:?}\napi_key_env = \"MINE\"\nheaders = {{ x-team = \"blue\" }}\n",
            model.url()
        );
        let installation = Installation::new(&config);
        fs::write(installation.workspace().join("a.txt"), "hello\n").unwrap();
        let mut command =
            installation.command(&["ask", "--mode", "embedded", "--model", &format!("mine/{name}"), "Read a.txt."]);
        command.env("MINE", "sk-mine");
        let ran = crate::finish(command).await;
        assert_eq!((ran.code, ran.out.trim_end().ends_with("It says hello.")), (Some(0), true), "{protocol}: {ran:?}");
        model.assert_histories_are_valid();
        let requests = model.requests();
        assert_eq!(requests.len(), 2, "{protocol}");
        for request in &requests {
            let key = ["authorization", "x-api-key", "x-goog-api-key"].map(|name| request.header(name));
            let key: Vec<&str> = key.into_iter().flatten().collect();
            assert!(key == ["Bearer sk-mine"] || key == ["sk-mine"], "{protocol}: {key:?}");
            assert_eq!(request.header("x-team"), Some("blue"), "{protocol}");
        }
    }
}

/// A turn with reasoning, text and calls, as each of the models has it.
fn scripted(model: &ScriptedModel) {
    model
        .push(
            Reply::new()
                .think("Two files. ")
                .say("I look. ")
                .call("read_file", json!({ "path": "a.txt" }))
                .call("read_file", json!({ "path": "gone.txt" })),
        )
        .push(Reply::new().think("Enough. ").say("All read."));
}

async fn prompt(server: &WharfProcess, session: &str, model: &str) {
    let session = format!("/api/v1/sessions/{session}");
    let change = json!({ "model": model }).to_string();
    let headers = [("content-type", "application/json")];
    let changed = server.client().send("PATCH", &session, &headers, Some(change.as_bytes())).await.unwrap();
    let status = changed.status;
    assert_eq!(status, 200, "{model}: {}", changed.text().await.unwrap());
    let said = json!({ "content": "Read both." });
    let answer: Value = server.client().post_json(&format!("{session}/prompt"), &said).await.unwrap();
    assert_eq!(answer["response"], "All read.", "{model}: {answer:#}");
}

#[tokio::test]
async fn a_session_changes_its_provider_at_any_time_and_outlives_its_server() {
    let (own, chat) = (ScriptedModel::start().await, ScriptedModel::start().await);
    let (google, claude) = (ScriptedModel::start().await, ScriptedModel::start().await);
    let home = WharfHome::new();
    home.work.write("a.txt", "this is a\n");
    fs::create_dir_all(home.state.path().join("wharf")).unwrap();
    let config = format!(
        "[providers.blue]\nprotocol = \"gemini\"\nbase_url = {:?}\napi_key_env = \"BLUE\"\n\
         [providers.red]\npreset = \"anthropic\"\nbase_url = {:?}\napi_key_env = \"RED\"\n\
         [providers.plain]\nbase_url = {:?}\n",
        google.url(),
        claude.url(),
        chat.url()
    );
    fs::write(home.state.path().join("wharf/config.toml"), config).unwrap();
    let server = home.server().model_url(own.url()).arg("--protocol").arg("responses");
    let mut server = server.env("BLUE", "k").env("RED", "k").start().await;
    let session: Value = server.client().post_json("/api/v1/sessions", &json!({})).await.unwrap();
    let id = session["id"].as_str().unwrap().to_owned();
    let ways = [
        ("openai/scripted", &own),
        ("blue/gemini-3-scripted", &google),
        ("red/claude-opus-4-8", &claude),
        ("plain/scripted", &chat),
        ("red/claude-opus-4-8", &claude),
        ("blue/gemini-2.5-flash", &google),
        ("openai/scripted", &own),
    ];
    for (model, asked) in ways {
        scripted(asked);
        let before = asked.request_count();
        prompt(&server, &id, model).await;
        assert_eq!(asked.request_count(), before + 2, "{model}");
        // What was said lies on disk, and so do the signatures that it needs.
        server.kill();
        server = server.restart().await;
    }
    for model in [&own, &chat, &google, &claude] {
        model.assert_histories_are_valid();
    }
}

#[tokio::test]
async fn a_model_that_wants_its_reasoning_back_gets_it_after_another_one_too() {
    let (first, second) = (ScriptedModel::start().await, ScriptedModel::start().await);
    // What DeepSeek refuses: a message of the model without the field, also where another model said it.
    second.answer(|body| {
        let messages = body["messages"].as_array()?;
        let lacks = messages.iter().any(|said| said["role"] == "assistant" && said["reasoning_content"].is_null());
        let why = "The `reasoning_content` in the thinking mode must be passed back to the API.";
        Some(if lacks { Reply::http_error(400, why) } else { Reply::new().think("Hm. ").say("Second.") })
    });
    first.default_reply(Reply::text("First."));
    let home = WharfHome::new();
    fs::create_dir_all(home.state.path().join("wharf")).unwrap();
    let profile = |name: &str, url: String| format!("[providers.{name}]\nbase_url = {url:?}\nattempts = 1\n");
    let config = profile("first", first.url()) + &profile("second", second.url());
    fs::write(home.state.path().join("wharf/config.toml"), config).unwrap();
    let server = home.server().start().await;
    let session: Value = server.client().post_json("/api/v1/sessions", &json!({ "model": "first/m" })).await.unwrap();
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    for (model, said) in
        [("first/m", "First."), ("second/m", "Second."), ("second/m", "Second."), ("first/m", "First.")]
    {
        let change = json!({ "model": model }).to_string();
        let headers = [("content-type", "application/json")];
        server.client().send("PATCH", &path, &headers, Some(change.as_bytes())).await.unwrap();
        let prompt = json!({ "content": "Go on." });
        let answer: Value = server.client().post_json(&format!("{path}/prompt"), &prompt).await.unwrap();
        assert_eq!(answer["response"], said, "{model}: {answer:#}");
    }
    let requests = second.requests();
    // Refused once, and remembered from then on.
    assert_eq!(requests.len(), 3);
    let last = &requests[2].body["messages"];
    let back: Vec<&str> =
        last.as_array().unwrap().iter().filter_map(|said| said["reasoning_content"].as_str()).collect();
    assert_eq!(back, ["", ""]);
}
