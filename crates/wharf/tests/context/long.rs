//! Four hundred steps in a window of 16,000 tokens, which the server counts in its own way.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wharf_protocol::{EventBody, TurnStatus};
use wharf_testkit::{Reply, ScriptedModel};

use crate::Room;

const WINDOW: usize = 16_000;
const PROMPTS: usize = 8;
const STEPS: usize = 50;
const FACT: &str = "the launch code is 7311";

/// What the server saw, in order.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Refused,
    Answered { messages: Vec<Value> },
    SummedUp { has_fact: bool, summary: String },
}

/// The server's own tokenizer: it sees more tokens in a text than we expect.
fn tokens(body: &Value) -> usize {
    body.to_string().len() * 2 / 7
}

#[derive(Default)]
struct Server {
    seen: Vec<Seen>,
    steps: usize,
    summaries: usize,
}

impl Server {
    fn answer(&mut self, body: &Value) -> Reply {
        let counted = tokens(body);
        if counted > WINDOW {
            self.seen.push(Seen::Refused);
            let error = format!(
                "This model's maximum context length is {WINDOW} tokens. However, your messages resulted in {counted} tokens."
            );
            return Reply::http_error(400, &error);
        }
        let messages = body["messages"].as_array().unwrap().clone();
        let last = messages.last().unwrap()["content"].as_str().unwrap_or_default();
        if last.contains("Sum up everything above") {
            self.summaries += 1;
            let text =
                format!("Summary {}: the user says that {FACT}; step {} was reached.", self.summaries, self.steps);
            let has_fact = body["messages"].to_string().contains(FACT);
            self.seen.push(Seen::SummedUp { has_fact, summary: text.clone() });
            return Reply::text(&text).usage(counted as u64, 40);
        }
        self.seen.push(Seen::Answered { messages });
        self.steps += 1;
        let reply = match self.steps % STEPS {
            0 => Reply::text("That was that."),
            step => {
                let path = format!("f{}.txt", self.steps);
                Reply::new().say(&format!("Step {step}. ")).call("read_file", json!({ "path": path }))
            }
        };
        reply.usage(counted as u64, 30)
    }
}

async fn play(context_tokens: Option<u64>) -> (Vec<Seen>, Vec<EventBody>) {
    let model = ScriptedModel::start().await;
    let server = Arc::new(Mutex::new(Server::default()));
    let answering = Arc::clone(&server);
    model.answer(move |body| Some(answering.lock().unwrap().answer(body)));
    let room = Room::start(&model, context_tokens).await;
    for step in 1..=PROMPTS * STEPS {
        // Short, long, and at times longer than may be shown.
        let size = if step % 67 == 0 { 60_000 } else { step * 397 % 2_500 };
        let line = format!("line of file {step}, which says nothing in particular\n");
        room.workspace.write(&format!("f{step}.txt"), line.repeat(size / line.len() + 1));
    }
    let session = room.session("small").await.id;
    for prompt in 0..PROMPTS {
        let text = if prompt == 0 { format!("Remember that {FACT}. Read on.") } else { format!("Read on, {prompt}.") };
        let turn = room.turn(&session, &text).await;
        assert_eq!(turn.status, TurnStatus::Completed, "prompt {prompt}: {:?}", turn.error);
    }
    model.assert_histories_are_valid();
    let log = room.log(&session).await.into_iter().map(|event| event.body).collect();
    let seen = server.lock().unwrap().seen.clone();
    (seen, log)
}

fn check(seen: &[Seen], log: &[EventBody], refusals: usize) {
    let steps = seen.iter().filter(|seen| matches!(seen, Seen::Answered { .. })).count();
    assert_eq!(steps, PROMPTS * STEPS);
    let refused = seen.iter().filter(|seen| **seen == Seen::Refused).count();
    assert!(refused <= refusals, "{refused} requests were refused");
    assert!(!seen.windows(2).any(|two| two == [Seen::Refused, Seen::Refused]), "refused twice in a row");
    let summaries: Vec<&str> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::SummedUp { summary, .. } => Some(summary.as_str()),
            _ => None,
        })
        .collect();
    assert!(summaries.len() > 2, "it compacts by itself: {summaries:?}");
    assert!(seen.iter().all(|seen| !matches!(seen, Seen::SummedUp { has_fact: false, .. })), "the fact is summed up");
    let on_log: Vec<&str> = log
        .iter()
        .filter_map(|body| match body {
            EventBody::ContextCompacted(compacted) => compacted.summary.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(on_log, summaries, "each one was used");
    let mut summary = None;
    let mut before: Option<&Vec<Value>> = None;
    let mut changed = 0;
    for seen in seen {
        match seen {
            Seen::Refused => {}
            Seen::SummedUp { summary: text, .. } => summary = Some(text),
            Seen::Answered { messages } => {
                if let Some(summary) = summary {
                    let has = |message: &Value| message["content"].as_str().is_some_and(|text| text.contains(summary));
                    assert!(messages.iter().any(has), "shown word for word: {summary}");
                }
                changed += usize::from(before.is_some_and(|before| !messages.starts_with(before)));
                before = Some(messages);
            }
        }
    }
    let compactions = log.iter().filter(|body| matches!(body, EventBody::ContextCompacted(_))).count();
    assert!(changed <= compactions, "the beginning of requests changed {changed} times with {compactions} compactions");
    // What a provider has cached is of use for most requests.
    assert!(changed < steps / 8, "{changed} of {steps}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_steps_in_a_window_that_is_known() {
    let (seen, log) = play(Some(WINDOW as u64)).await;
    check(&seen, &log, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_steps_in_a_window_that_a_refusal_tells() {
    let (seen, log) = play(None).await;
    check(&seen, &log, 1);
    assert!(seen.contains(&Seen::Refused), "it was told by a refusal");
}
