//! `wharf doctor` on stores of every kind, and what can be saved of them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::Lab;
use crate::damage::flip;
use crate::place::Place;

impl Place {
    fn doctor(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (code, out, errors) = self.run(&[&["doctor", "--json"], arguments].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {errors}")))
    }

    /// The files as bytes: whatever looks at them must leave them as they are.
    fn contents(&self) -> Vec<Vec<u8>> {
        ["", "-wal"].iter().map(|suffix| fs::read(self.beside(suffix)).unwrap_or_default()).collect()
    }

    /// The types of the exported events of a session.
    fn exported(&self, dir: &str, session: &str) -> Vec<String> {
        let text = fs::read_to_string(self.work().join(dir).join(format!("{session}.jsonl"))).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // The first line describes the session, where its settings could be read.
        lines
            .filter(|line| line["format"].is_null())
            .map(|event| {
                assert_eq!(event["session_id"], session);
                event["type"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

fn errors(told: &Value) -> BTreeSet<&str> {
    let findings = told["findings"].as_array().unwrap().iter();
    findings.filter(|finding| finding["level"] == "error").map(|finding| finding["about"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_store_is_told_to_be_sound_and_exported_beside_its_server() {
    let place = Place::plain();
    let (code, told) = place.doctor(&[]);
    assert_eq!((code, &told["healthy"]), (Some(0), &true.into()), "{told:#}");
    assert!(!place.database().exists(), "it makes nothing");

    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    lab.turn(&session, "one").await;
    let (code, told) = place.doctor(&[]);
    assert_eq!((code, errors(&told).len()), (Some(0), 0), "{told:#}");
    let server = told["findings"].as_array().unwrap().iter().find(|finding| finding["about"] == "server").unwrap();
    assert!(server["message"].as_str().unwrap().contains(&lab.server.pid().to_string()), "{server}");
    assert_eq!((&told["store"]["sessions"], &told["store"]["unchecked_events"]), (&1.into(), &0.into()));
    let (code, _, told) = place.run(&["doctor", "export", "saved"]);
    assert_eq!(code, Some(0), "{told}");
    let types = place.exported("saved", &session);
    assert_eq!((types.first().unwrap().as_str(), types.last().unwrap().as_str()), ("session.created", "agent.idle"));
    let (code, _, told) = place.run(&["doctor", "export", "saved"]);
    assert_eq!(code, Some(1), "nothing is written over");
    assert!(told.contains("never written over"), "{told}");
    lab.turn(&session, "two").await;

    // Of a server that was killed, with all of its log, which stays as it is.
    lab.server.kill();
    let before = place.contents();
    let (code, told) = place.doctor(&[]);
    assert_eq!(code, Some(0), "{told:#}");
    let (code, _, told) = place.run(&["doctor", "export", "after", "--session", &session]);
    assert_eq!(code, Some(0), "{told}");
    assert!(place.exported("after", &session).len() > types.len());
    assert!(place.contents() == before, "the files are left as they are");
    let (code, _, _) = place.run(&["doctor", "export", "after", "--session", "session-other"]);
    assert_eq!(code, Some(1));
    lab.restart().await.ended(&session, "two").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_found_and_everything_else_is_saved() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let (hit, whole) = (lab.session().await, lab.session().await);
    for session in [&hit, &whole] {
        for number in 0..3 {
            lab.turn(session, &format!("in-{session}-{number}")).await;
        }
    }
    lab.server.stop().await;
    place.run(&["doctor", "export", "before"]);
    flip(&place, &format!("prompt in-{hit}-1"));
    let before = place.contents();
    let (code, told) = place.doctor(&[]);
    assert_eq!(code, Some(1), "{told:#}");
    assert_eq!(errors(&told), BTreeSet::from(["store"]), "{told:#}");
    let damaged = told["store"]["damaged"].as_object().unwrap();
    assert_eq!(damaged.keys().collect::<Vec<_>>(), [&hit], "{told:#}");
    assert_eq!(damaged[&hit]["problems_total"], 1, "{told:#}");
    let (code, out, errors) = place.run(&["doctor", "export", "saved", "--json"]);
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(place.exported("saved", &whole), place.exported("before", &whole));
    assert_eq!(place.exported("saved", &hit).len() + 1, place.exported("before", &hit).len());
    assert!(place.contents() == before, "the file is left as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_store_that_was_cut_or_overwritten_as_much_as_possible_is_saved() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    for number in 0..40 {
        lab.turn(&session, &format!("p-{number}")).await;
    }
    lab.server.stop().await;
    place.run(&["doctor", "export", "before"]);
    let all = place.exported("before", &session).len();
    let sound = fs::read(place.database()).unwrap();

    // Pages in the middle that make no sense.
    let mut spoiled = sound.clone();
    let middle = spoiled.len() / 8192 * 4096;
    spoiled[middle..middle + 8192].fill(0xff);
    fs::write(place.database(), &spoiled).unwrap();
    let (code, told) = place.doctor(&[]);
    assert_eq!(code, Some(1), "{told:#}");
    let (_, _, told) = place.run(&["doctor", "export", "spoiled"]);
    let saved = place.exported("spoiled", &session).len();
    assert!(saved > all / 2 && saved <= all, "{saved} of {all}: {told}");

    // The second half is gone.
    fs::write(place.database(), &sound[..sound.len() / 2]).unwrap();
    let (code, told) = place.doctor(&[]);
    assert_eq!(code, Some(1), "{told:#}");
    let (code, _, told) = place.run(&["doctor", "export", "cut", "--session", &session]);
    assert_eq!(code, Some(1), "{told}");

    // No database at all.
    fs::write(place.database(), "nothing of the kind").unwrap();
    let (code, told) = place.doctor(&[]);
    assert_eq!((code, errors(&told)), (Some(1), BTreeSet::from(["store"])), "{told:#}");
    let (code, _, _) = place.run(&["doctor", "export", "none"]);
    assert_eq!(code, Some(1));
}

#[test]
fn the_rest_of_the_installation_is_looked_at_too() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::plain();
    fs::write(place.state().join("key"), "wharf_x\n").unwrap();
    fs::set_permissions(place.state().join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(place.state(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(place.work().join("bad.toml"), "permision = \"ask\"\n").unwrap();
    let (code, out, _) = place.run(&["doctor", "--json", "--config", "bad.toml"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(errors(&told), BTreeSet::from(["configuration", "state directory", "key"]), "{told:#}");
    assert!(out.contains("did you mean `permission`"), "{out}");
    let (code, out, _) = place.run(&["doctor"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("✗ key") && out.contains("chmod 600"), "{out}");
}
