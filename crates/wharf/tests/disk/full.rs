//! No space left, while clients prompt and a turn runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::task::JoinSet;
use wharf_testkit::{Client, Gate, Reply};

use crate::place::{Mounts, Place};
use crate::{Lab, Told, prompt, until};

const CLIENTS: usize = 3;

/// A client that prompts until it is told to stop; a prompt that is refused is sent again, with the same id.
struct Prompting {
    session: String,
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

impl Prompting {
    async fn run(&self, client: Client) {
        while !self.stop.load(Ordering::SeqCst) {
            let number = self.acknowledged.load(Ordering::SeqCst);
            let told: Told = prompt(&client, &self.session, &format!("p-{}-{number}", self.session)).await;
            match told.status {
                200..300 => {
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                429 => {}
                _ => {
                    told.assert_unavailable();
                    self.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_a_full_disk_and_it_works_again_when_there_is_room() {
    match Mounts::for_test("full::nothing_is_lost_on_a_full_disk_and_it_works_again_when_there_is_room") {
        Mounts::Elsewhere => {}
        Mounts::Allowed => {
            let place = Place::small(8);
            let lab = Lab::open(&place).await;
            fill_and_free(&place, lab, || place.fill(), || place.empty()).await;
        }
        Mounts::Refused => {
            println!("no file system can be mounted here: the server's files get a limit of their size instead");
            let place = Place::plain();
            let lab = limited_lab(&place).await;
            let pid = Pid::from_raw(i32::try_from(lab.server.pid()).unwrap());
            let limit = |bytes| prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).map(drop);
            let size = || fs::metadata(place.beside("-wal")).unwrap().len();
            fill_and_free(&place, lab, || limit(Some(size())).unwrap(), || limit(None).unwrap()).await;
        }
    }
}

/// A server that takes a limit of its files' size for an error instead of its end.
async fn limited_lab(place: &Place) -> Lab {
    let script = place.work().join("limited");
    let binary = env!("CARGO_BIN_EXE_wharf");
    fs::write(&script, format!("#!/bin/sh\ntrap '' XFSZ\nexec {binary} \"$@\"\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let model = wharf_testkit::ScriptedModel::start().await;
    model.default_reply(Reply::text("a few words"));
    let server = place.server().binary(script).model_url(model.url()).start().await;
    Lab { model, server }
}

async fn fill_and_free(place: &Place, lab: Lab, fill: impl Fn(), free: impl Fn()) {
    let gate = Gate::new();
    lab.model.on("the long one", Reply::new().say("before").gate(&gate).say(" and after"));
    lab.model.on("the long one", Reply::text("the whole of it"));
    let running = lab.session().await;
    let body = serde_json::json!({ "content": "the long one", "id": "long" });
    assert!(lab.post(&format!("/api/v1/sessions/{running}/prompt"), &body).await.is_ok());
    lab.model.wait_for_requests(1).await;

    let mut tasks = JoinSet::new();
    let mut clients: Vec<Arc<Prompting>> = Vec::new();
    for _ in 0..CLIENTS {
        let client = Arc::new(Prompting {
            session: lab.session().await,
            stop: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let (own, http) = (Arc::clone(&client), lab.client());
        tasks.spawn(async move { own.run(http).await });
        clients.push(client);
    }
    let all = |holds: &dyn Fn(&Prompting) -> bool| clients.iter().all(|client| holds(client));
    until("each client has prompts", || all(&|c| c.acknowledged.load(Ordering::SeqCst) >= 3)).await;

    fill();
    until("each client is refused", || all(&|c| c.refused.load(Ordering::SeqCst) >= 2)).await;
    // The turn that runs cannot go on either.
    gate.open();
    let reason = lab.unready().await.expect("it is not ready");
    assert!(reason.contains("nothing was accepted"), "{reason}");
    if place.state().join("filler").exists() {
        assert!(reason.contains("the disk is full"), "{reason}");
    }
    for client in &clients {
        for what in ["", "/messages", "/events?after=0", "/turns"] {
            let told = lab.get(&format!("/api/v1/sessions/{}{what}", client.session)).await;
            assert!(told.is_ok(), "reads go on: {what} {told:?}");
        }
    }
    assert!(lab.get("/api/v1/sessions").await.is_ok());
    lab.post("/api/v1/sessions", &serde_json::json!({})).await.assert_unavailable();
    let before: Vec<usize> = clients.iter().map(|client| client.acknowledged.load(Ordering::SeqCst)).collect();

    free();
    let acknowledged = || clients.iter().map(|client| client.acknowledged.load(Ordering::SeqCst));
    until("each client goes on", || acknowledged().zip(&before).all(|(now, before)| now >= before + 2)).await;
    lab.until_ready().await;
    for client in &clients {
        client.stop.store(true, Ordering::SeqCst);
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    lab.ended(&running, "long").await;
    check(&lab, &clients).await;
    // What was acknowledged is on disk: the next process has it.
    let mut lab = lab;
    lab.server.kill();
    let lab = lab.restart().await;
    check(&lab, &clients).await;
}

/// Each acknowledged prompt has one turn, which completed, and nobody else has any.
async fn check(lab: &Lab, clients: &[Arc<Prompting>]) {
    for client in clients {
        let acknowledged = client.acknowledged.load(Ordering::SeqCst);
        for number in 0..acknowledged {
            lab.ended(&client.session, &format!("p-{}-{number}", client.session)).await;
        }
        let turns = lab.turns(&client.session).await.len();
        // The last one may have been stored although its client was told to come back.
        assert!((acknowledged..=acknowledged + 1).contains(&turns), "{acknowledged} prompts, {turns} turns");
    }
}
