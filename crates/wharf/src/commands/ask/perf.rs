//! `--perf`: where the time went.

use std::time::{Duration, Instant};

use wharf_protocol::{Cost, Event, EventBody, Usage};

/// Points in time of one question.
pub struct Perf {
    start: Instant,
    session: Option<Duration>,
    accepted: Option<Duration>,
    first_event: Option<Duration>,
    first_text: Option<Duration>,
    end: Option<Duration>,
    usage: Usage,
    cost: Cost,
}

impl Perf {
    pub fn start(start: Instant) -> Self {
        Self {
            start,
            session: None,
            accepted: None,
            first_event: None,
            first_text: None,
            end: None,
            usage: Usage::default(),
            cost: Cost::default(),
        }
    }

    pub fn session_ready(&mut self) {
        self.session.get_or_insert(self.start.elapsed());
    }

    pub fn accepted(&mut self) {
        self.accepted.get_or_insert(self.start.elapsed());
    }

    pub fn saw(&mut self, event: &Event) {
        let now = self.start.elapsed();
        self.first_event.get_or_insert(now);
        match &event.body {
            EventBody::MessageChunk(_) => {
                self.first_text.get_or_insert(now);
            }
            EventBody::UsageUpdated(usage) => self.cost = usage.cost.map_or(self.cost, |cost| cost.turn),
            EventBody::TurnCompleted(done) => self.ended(now, done.usage),
            EventBody::TurnCancelled(done) => self.ended(now, done.usage),
            EventBody::TurnFailed(failed) => self.ended(now, failed.usage),
            _ => {}
        }
    }

    fn ended(&mut self, now: Duration, usage: Usage) {
        self.end = Some(now);
        self.usage = usage;
    }

    /// One line; each time since the start.
    pub fn report(&self) -> String {
        let points = [
            ("session", self.session),
            ("accepted", self.accepted),
            ("first event", self.first_event),
            ("first text", self.first_text),
            ("end", self.end),
        ];
        let times: Vec<String> = points
            .into_iter()
            .filter_map(|(name, time)| Some(format!("{name} {:.1} ms", time?.as_secs_f64() * 1_000.0)))
            .collect();
        let Usage { prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, .. } =
            self.usage;
        let part = |count: u64, what: &str| if count > 0 { format!(" ({count} {what})") } else { String::new() };
        format!(
            "perf: {} · {prompt_tokens} tokens in{}{}, {completion_tokens} out{} · cost {}",
            times.join(" · "),
            part(cached_tokens, "cached"),
            part(cache_write_tokens, "written to the cache"),
            part(reasoning_tokens, "reasoning"),
            self.cost
        )
    }
}
