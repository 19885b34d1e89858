//! Logs and the states that they lead to, written by hand: readers in every language pass these.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::EventKind;
use crate::event::AnyEvent;
use crate::transcript::Transcript;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    #[expect(dead_code, reason = "for people")]
    about: String,
    events: Vec<Box<RawValue>>,
    states: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The event after which the state is this.
    after: u64,
    state: Value,
}

fn fixtures() -> Vec<(String, Fixture)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcript");
    let mut found: Vec<(String, Fixture)> = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        found.push((name, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn apply(transcript: &mut Transcript, json: &RawValue) {
    match AnyEvent::from_json(json.get().as_bytes()).unwrap() {
        AnyEvent::Known(event) => transcript.apply(&event),
        AnyEvent::Unknown(event) => transcript.apply_unknown(&event),
    };
}

#[test]
fn logs_lead_to_the_states_that_were_written_by_hand() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 12);
    for (name, Fixture { events, states, .. }) in &fixtures {
        let mut transcript = Transcript::new();
        let mut states = states.iter().peekable();
        for json in events {
            apply(&mut transcript, json);
            if let Some(Expected { after, state }) = states.next_if(|expected| expected.after == transcript.last_seq.0)
            {
                let is = serde_json::to_value(&transcript).unwrap();
                let (is, expected) = (pretty(&is), pretty(state));
                assert_eq!(is, expected, "{name} after {after}");
            }
        }
        assert!(states.next().is_none(), "{name}: a state is after no event");
    }
}

#[test]
fn states_go_on_from_every_event_as_if_they_had_not_been_written_down() {
    for (name, Fixture { events, .. }) in fixtures() {
        let mut whole = Transcript::new();
        let mut written = Transcript::new();
        for json in &events {
            apply(&mut whole, json);
            let state = serde_json::to_string(&written).unwrap();
            written = serde_json::from_str(&state).unwrap();
            apply(&mut written, json);
            assert_eq!(written, whole, "{name}");
        }
    }
}

#[test]
fn every_kind_of_event_is_in_a_fixture() {
    let mut seen = BTreeSet::new();
    for (_, Fixture { events, .. }) in fixtures() {
        for json in events {
            if let AnyEvent::Known(event) = AnyEvent::from_json(json.get().as_bytes()).unwrap() {
                seen.insert(event.kind());
            }
        }
    }
    // The last event of a log that nobody reads any more.
    let missing: Vec<&EventKind> =
        EventKind::ALL.iter().filter(|kind| !seen.contains(kind) && **kind != EventKind::SessionDeleted).collect();
    assert_eq!(missing, Vec::<&EventKind>::new());
}

/// The same whatever the order of fields.
fn pretty(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<(String, Value)> = fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                Value::Object(fields.into_iter().collect())
            }
            Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    serde_json::to_string_pretty(&sorted(value)).unwrap()
}
