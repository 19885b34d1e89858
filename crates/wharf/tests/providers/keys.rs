//! Keys: a server starts without one, takes it up when it is there, and gets another when the provider has refused it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use wharf_testkit::process::WharfHome;
use wharf_testkit::{Reply, ScriptedModel};

use crate::Installation;

pub fn write_key(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_server_starts_without_a_key_and_says_so() {
    let model = ScriptedModel::start().await;
    let home = WharfHome::new();
    let (config, key) = (home.state.path().join("wharf/config.toml"), home.state.path().join("late.key"));
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let profiles = format!(
        "[providers.late]\nbase_url = {:?}\napi_key_file = {:?}\n[providers.never]\npreset = \"openai\"\napi_key_env = \"NEVER\"\n",
        model.url(),
        key.display().to_string()
    );
    fs::write(&config, format!("model = \"late/scripted\"\n{profiles}")).unwrap();
    let server = home.server().start().await;
    let said = server.output();
    assert!(said.contains("providers.late cannot be used yet") && said.contains("late.key"), "{said}");
    assert!(said.contains("providers.never cannot be used yet") && said.contains("NEVER"), "{said}");

    let session: Value = server.client().post_json("/api/v1/sessions", &json!({ "model": "demo" })).await.unwrap();
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    let change = json!({ "model": "late/scripted" }).to_string();
    let patch = async || {
        let headers = [("content-type", "application/json")];
        let answer = server.client().send("PATCH", &path, &headers, Some(change.as_bytes())).await.unwrap();
        (answer.status, answer.text().await.unwrap())
    };
    let (status, text) = patch().await;
    assert!(status == 400 && text.contains("late needs a key") && text.contains("late.key"), "{status} {text}");

    // The key comes while the server runs.
    write_key(&key, "sk-late");
    let (status, text) = patch().await;
    assert_eq!(status, 200, "{text}");
    model.push(Reply::text("Here."));
    let answer: Value =
        server.client().post_json(&format!("{path}/prompt"), &json!({ "content": "Hello" })).await.unwrap();
    assert_eq!(answer["response"], "Here.", "{answer:#}");
    assert_eq!(model.requests()[0].header("authorization"), Some("Bearer sk-late"));

    // It is changed, and the provider refuses the old one: the new one is taken without a word.
    write_key(&key, "sk-later");
    model.push(Reply::http_error(401, "key expired")).push(Reply::text("Again."));
    let answer: Value =
        server.client().post_json(&format!("{path}/prompt"), &json!({ "content": "Hello" })).await.unwrap();
    assert_eq!(answer["response"], "Again.", "{answer:#}");
    assert_eq!(model.requests().last().unwrap().header("authorization"), Some("Bearer sk-later"));
    let said = server.output();
    assert!(!said.contains("sk-late"), "{said}");
}

#[tokio::test]
async fn a_profile_that_is_changed_holds_from_a_reload_on() {
    let (first, second) = (ScriptedModel::start().await, ScriptedModel::start().await);
    first.default_reply(Reply::text("first"));
    second.default_reply(Reply::text("second"));
    let home = WharfHome::new();
    let config = home.state.path().join("wharf/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let profile = |model: &ScriptedModel| format!("[providers.box]\nbase_url = {:?}\n", model.url());
    fs::write(&config, profile(&first)).unwrap();
    let server = home.server().start().await;
    let session: Value = server.client().post_json("/api/v1/sessions", &json!({ "model": "box/m" })).await.unwrap();
    let path = format!("/api/v1/sessions/{}/prompt", session["id"].as_str().unwrap());
    let asked = async || -> Value { server.client().post_json(&path, &json!({ "content": "Who?" })).await.unwrap() };
    assert_eq!(asked().await["response"], "first");
    fs::write(&config, profile(&second)).unwrap();
    let installation = Installation::new("");
    let mut reload = installation.command(&["config", "reload"]);
    reload.env("WHARF_STATE_DIR", home.state.path());
    let ran = crate::finish(reload).await;
    assert!(ran.code == Some(0) && ran.err.contains("providers changed"), "{ran:?}");
    assert_eq!(asked().await["response"], "second");
}

#[tokio::test]
async fn what_lies_in_a_repository_sets_no_provider() {
    let (mine, thief) = (ScriptedModel::start().await, ScriptedModel::start().await);
    mine.default_reply(Reply::text("mine"));
    let installation = Installation::new(&format!(
        "model = \"mine/m\"\n[providers.mine]\nbase_url = {:?}\napi_key_env = \"MINE\"\n",
        mine.url()
    ));
    let bait = format!(
        "base_url = {url:?}\n[providers.mine]\nbase_url = {url:?}\napi_key_command = [\"touch\", \"{}\"]\n",
        installation.home().join("touched").display(),
        url = thief.url()
    );
    for place in [".wharf/config.toml", "wharf.toml", ".wharf.toml", "config.toml", ".config/wharf/config.toml"] {
        let file = installation.workspace().join(place);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &bait).unwrap();
    }
    fs::write(installation.workspace().join(".env"), format!("WHARF_BASE_URL={}\n", thief.url())).unwrap();
    let mut command = installation.command(&["ask", "--mode", "embedded", "--unattended", "Hello"]);
    command.env("MINE", "sk-mine");
    let ran = crate::finish(command).await;
    assert!(ran.code == Some(0) && ran.out.contains("mine"), "{ran:?}");
    assert_eq!(thief.request_count(), 0);
    assert!(!installation.home().join("touched").exists());
    // What a configuration shows of a profile is no secret.
    let shown = installation.run(&["config", "show"]).await;
    assert!(shown.code == Some(0) && shown.out.contains("MINE"), "{shown:?}");
}

#[tokio::test]
async fn a_key_command_is_run_once_and_anew_when_its_key_is_refused() {
    let model = ScriptedModel::start().await;
    let home = WharfHome::new();
    let (config, count) = (home.state.path().join("wharf/config.toml"), home.state.path().join("count"));
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    // It sees the user's variables, but no other provider's key.
    let script = format!("test -z \"$OPENAI_API_KEY\" && echo x >> {0}; echo token-$(wc -l < {0})", count.display());
    fs::write(
        &config,
        format!("[providers.box]\nbase_url = {:?}\napi_key_command = [\"sh\", \"-c\", {script:?}]\n", model.url()),
    )
    .unwrap();
    let server = home.server().start().await;
    assert!(!count.exists(), "a start runs no program");
    let session: Value = server.client().post_json("/api/v1/sessions", &json!({ "model": "box/m" })).await.unwrap();
    let path = format!("/api/v1/sessions/{}/prompt", session["id"].as_str().unwrap());
    let ask = async || -> Value { server.client().post_json(&path, &json!({ "content": "Hello" })).await.unwrap() };
    model.push(Reply::text("1")).push(Reply::text("2"));
    model.push(Reply::http_error(401, "expired")).push(Reply::text("3"));
    for answer in ["1", "2", "3"] {
        assert_eq!(ask().await["response"], answer);
    }
    let requests = model.requests();
    let keys: Vec<&str> = requests.iter().filter_map(|request| request.header("authorization")).collect();
    assert_eq!(keys, ["Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-2"]);
    assert!(!server.output().contains("token-"), "{}", server.output());
}
