//! What was sent once is sent the same again: each request of a session begins with the bytes of the one before it, whatever the model is told
//! of the workspace meanwhile, and after `kill -9` too.

use serde_json::{Value, json};
use wharf_testkit::process::{WharfHome, WharfProcess};
use wharf_testkit::wait::within;
use wharf_testkit::{Reply, ScriptedModel};

/// A protocol, and the field in which its messages are.
const WIRES: [(&str, &str); 4] =
    [("openai", "messages"), ("responses", "input"), ("anthropic", "messages"), ("gemini", "contents")];

/// Moves from request to request; providers do not count it.
const CACHE_MARK: &str = r#","cache_control":{"type":"ephemeral"}"#;

async fn prompt(server: &WharfProcess, id: &str, text: &str) {
    let path = format!("/api/v1/sessions/{id}/prompt");
    server.client().post(&path, &json!({ "content": text })).await.unwrap().ok().await.unwrap();
}

async fn turns_on_log(server: &WharfProcess, id: &str) -> usize {
    let turns: Value = server.client().get_json(&format!("/api/v1/sessions/{id}/turns")).await.unwrap();
    turns["turns"].as_array().map_or(0, Vec::len)
}

/// The bytes before the messages, and those of the messages.
fn parts<'a>(raw: &'a str, field: &str) -> (&'a str, &'a str) {
    let (before, rest) = raw.split_once(&format!("\"{field}\":[")).unwrap();
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    let end = rest.bytes().position(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth -= 1,
            _ => {}
        }
        depth < 0
    });
    (before, &rest[..end.unwrap()])
}

async fn play(protocol: &str, field: &str) {
    let (home, model) = (WharfHome::new(), ScriptedModel::start().await);
    home.work.write("AGENTS.md", "Use tabs.");
    home.work.write(".git/HEAD", "ref: refs/heads/one\n");
    home.work.write("sub/CLAUDE.md", "Use spaces here.");
    home.work.write("sub/a.txt", "text of a");
    home.state.write("wharf/AGENTS.md", "Answer briefly.");
    let server = home.server().model_url(model.url()).env("WHARF_PROTOCOL", protocol);
    let mut server = server.start().await;
    let made: Value = server.client().post_json("/api/v1/sessions", &json!({})).await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    prompt(&server, &id, "[[say one]]").await;
    prompt(&server, &id, r#"[[tool read_file {"path":"sub/a.txt"}]]"#).await;
    home.work.write("AGENTS.md", "Use two spaces.");
    home.work.write(".git/HEAD", "ref: refs/heads/two\n");
    let hanging = format!("/api/v1/sessions/{id}/prompt");
    let (client, asked) = (server.client(), json!({ "content": "[[hang 0]]" }));
    let asked = tokio::spawn(async move { drop(client.post(&hanging, &asked).await) });
    model.wait_for_requests(4).await;
    // The model is asked while the prompt is on its way to the disk.
    within("the prompt on disk", async { while turns_on_log(&server, &id).await < 3 {} }).await;
    server.kill();
    asked.await.unwrap();
    model.push(Reply::text("went on"));
    server = server.restart().await;
    model.wait_for_requests(5).await;
    prompt(&server, &id, "[[say last]]").await;
    model.wait_for_requests(6).await;
    let raw: Vec<String> = model.requests().iter().map(|request| request.raw.replace(CACHE_MARK, "")).collect();
    assert_eq!(raw.len(), 6, "{protocol}");
    for pair in raw.windows(2) {
        let ((head, messages), (next_head, next)) = (parts(&pair[0], field), parts(&pair[1], field));
        assert_eq!(head, next_head, "{protocol}");
        assert!(next.starts_with(messages), "{protocol}:\n{messages}\n{next}");
    }
    // The request of the killed server, and the one that takes its place.
    assert_eq!(raw[3], raw[4], "{protocol}");
    let count = |text: &str| raw[5].matches(text).count();
    for (text, times) in [
        ("Use tabs.", 1),
        ("Answer briefly.", 1),
        ("Use spaces here.", 1),
        ("Use two spaces.", 1),
        ("Git branch: one", 1),
        ("Git branch: two", 1),
    ] {
        assert_eq!(count(text), times, "{protocol}: {text}");
    }
    model.assert_histories_are_valid();
    assert_eq!(server.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_begins_with_the_bytes_of_the_one_before_it() {
    for (protocol, field) in WIRES {
        play(protocol, field).await;
    }
}
