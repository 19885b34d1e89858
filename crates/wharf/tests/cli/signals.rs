//! What a server does when it is signalled: reads its configuration again, or ends, slowly or at once.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_testkit::process::WharfHome;
use wharf_testkit::{Gate, Reply, ScriptedModel, WharfProcess, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

struct Lab {
    home: WharfHome,
    config: TempDir,
    model: ScriptedModel,
    server: WharfProcess,
}

impl Lab {
    async fn with(config: &str) -> Self {
        let (home, dir, model) = (WharfHome::new(), tempfile::tempdir().unwrap(), ScriptedModel::start().await);
        let path = dir.path().join("config.toml");
        fs::write(&path, config).unwrap();
        let server = home.server().model_url(model.url()).permission("full");
        let server = server.binary(env!("CARGO_BIN_EXE_wharf")).arg("--config").arg(path).start().await;
        Self { home, config: dir, model, server }
    }

    fn configure(&self, config: &str) {
        fs::write(self.config.path().join("config.toml"), config).unwrap();
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.server.pid().to_string()]).status().unwrap().success());
    }

    async fn until_said(&self, words: &str) {
        wait_until(words, PATIENCE, || self.server.output().contains(words)).await;
    }

    async fn session(&self) -> String {
        let created: Value =
            self.server.client().post_json("/api/v1/sessions", &json!({ "cwd": self.home.work.path() })).await.unwrap();
        created["id"].as_str().unwrap().to_owned()
    }

    async fn prompt(&self, session: &str, text: &str) -> Value {
        let path = format!("/api/v1/sessions/{session}/prompt");
        let body = json!({ "content": text }).to_string();
        let headers = [("prefer", "respond-async")];
        let sent = self.server.client().send("POST", &path, &headers, Some(body.as_bytes())).await.unwrap();
        sent.ok().await.unwrap().json().await.unwrap()
    }

    async fn ended(&self, session: &str, turn: &Value) -> Value {
        let path = format!("/api/v1/sessions/{session}/turns/{}", turn.as_str().unwrap());
        for _ in 0..3_000 {
            let found: Value = self.server.client().get_json(&path).await.unwrap();
            if found["ended_at"].is_string() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("turn {turn} has no end:\n{}", self.server.output());
    }

    /// The outcomes of the session's calls.
    async fn outcomes(&self, session: &str) -> Vec<String> {
        let page: Value =
            self.server.client().get_json(&format!("/api/v1/sessions/{session}/events?after=0")).await.unwrap();
        let events = page["events"].as_array().unwrap().iter();
        let ends =
            events.filter(|event| ["tool.call_complete", "tool.call_error"].iter().any(|kind| event["type"] == *kind));
        ends.map(|event| event["payload"]["reason"].as_str().unwrap_or("completed").to_owned()).collect()
    }
}

const DENIED: &str = "[[rules]]\naction = \"deny\"\ntool = \"bash\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_reads_the_configuration_again_for_live_sessions_too() {
    let lab = Lab::with("").await;
    let session = lab.session().await;
    let bash = || Reply::new().call("bash", json!({ "command": "echo hello" }));
    lab.model.push(bash()).push(Reply::text("done"));
    let turn = lab.prompt(&session, "run it").await["turn_id"].clone();
    lab.ended(&session, &turn).await;

    // A turn that runs keeps what it began with; the one that waits behind it does not.
    let gate = Gate::new();
    lab.model.push(Reply::new().say("wait").gate(&gate).call("bash", json!({ "command": "echo hello" })));
    lab.model.push(Reply::text("done")).push(bash()).push(Reply::text("done"));
    let running = lab.prompt(&session, "slow").await["turn_id"].clone();
    lab.model.wait_for_requests(3).await;
    let waiting = lab.prompt(&session, "next").await["turn_id"].clone();
    lab.configure(&format!(
        "recovery = \"interrupt\"\nlog = \"debug\"\n{DENIED}[server]\nport = 1\n[client]\nturn_ms = 5\n"
    ));
    lab.signal("-HUP");
    lab.until_said("log, recovery, rules changed").await;
    // The port is a flag's here, which wins; the client's part is not the server's.
    assert!(!lab.server.output().contains("client.turn_ms"), "{}", lab.server.output());
    gate.open();
    lab.ended(&session, &running).await;
    lab.ended(&session, &waiting).await;
    assert_eq!(lab.outcomes(&session).await, ["completed", "completed", "denied"]);
    assert!(lab.server.output().contains("DEBUG"), "{}", lab.server.output());

    // One that cannot be used changes nothing.
    lab.configure("rules = 5\n");
    lab.signal("-HUP");
    lab.until_said("the previous one stays in force").await;
    lab.configure("api_key_env = \"NO_SUCH_VARIABLE\"\n");
    lab.signal("-HUP");
    lab.until_said("NO_SUCH_VARIABLE").await;
    lab.model.push(bash()).push(Reply::text("done"));
    let turn = lab.prompt(&session, "once more").await["turn_id"].clone();
    lab.ended(&session, &turn).await;
    assert_eq!(lab.outcomes(&session).await.last().unwrap(), "denied");

    // By command, and with something that only a start can change.
    lab.configure("[storage]\nreaders = 5\n");
    let reload = |config: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.args(["config", "reload", "--config", config]).env("WHARF_STATE_DIR", lab.home.state.path());
        command.output().unwrap()
    };
    let path = lab.config.path().join("config.toml");
    let ran = reload(path.to_str().unwrap());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    lab.until_said("storage.readers only with the next start").await;
    fs::write(lab.config.path().join("bad.toml"), "no = 1\n").unwrap();
    assert_eq!(reload(lab.config.path().join("bad.toml").to_str().unwrap()).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_hurries_and_leaves_the_turn_to_the_next_start() {
    for signals in [["-TERM", "-TERM"], ["-TERM", "-INT"]] {
        let mut lab = Lab::with("").await;
        let session = lab.session().await;
        lab.model.push(Reply::new().say("half ").hang());
        let turn = lab.prompt(&session, "talk").await["turn_id"].clone();
        lab.model.wait_for_requests(1).await;
        lab.signal(signals[0]);
        lab.until_said("once more to hurry").await;
        assert!(lab.server.ended().is_none(), "the first one waits for the turn");
        lab.signal(signals[1]);
        let mut ended = None;
        // Far less than the turn would get.
        wait_until("the end", Duration::from_secs(10), || {
            ended = lab.server.ended();
            ended.is_some()
        })
        .await;
        assert_eq!(ended.unwrap().code(), Some(0), "{}", lab.server.output());
        assert!(lab.server.output().contains("go on after the next start"), "{}", lab.server.output());
        lab.model.push(Reply::text("whole"));
        let Lab { home, config, model, server } = lab;
        let lab = Lab { home, config, model, server: server.restart().await };
        let ended = lab.ended(&session, &turn).await;
        assert_eq!((&ended["status"], &ended["response"]), (&"completed".into(), &"whole".into()), "{ended}");
    }
}
