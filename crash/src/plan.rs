//! What one round does: who asks what, and when the server dies. Follows from the seed and the round's number alone.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_failpoints::{HELPER_POINTS, POINTS};

use crate::rng::Rng;

/// Sessions of one round.
const SESSIONS: u64 = 4;

/// Where a recovery dies.
const RECOVERY: [&str; 4] =
    ["recovery.after_lease", "recovery.after_load", "recovery.after_append", "recovery.before_command_end"];

/// When the server dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kill {
    /// So long after it was started.
    After(Duration),
    /// When it meets a fail point for the n-th time.
    At { point: &'static str, count: u64 },
    /// When it meets a fail point with this session.
    For { point: &'static str, subject: String },
}

/// The death of a process between the server and its commands, in the life of the first server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelperKill {
    /// One process of this name, so long after the server's start.
    After { name: &'static str, after: Duration },
    /// Each one that meets this point for the n-th time.
    At { point: &'static str, count: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Of one server after the other; the server after them is left alone.
    pub kills: Vec<Kill>,
    /// The next server starts at once, beside what the dead one may have left.
    pub hurry: bool,
    /// What dies besides, in the life of the first server.
    pub helper: Option<HelperKill>,
    /// Turns that a dead server left are ended instead of taken up.
    pub interrupt: bool,
    pub sessions: Vec<SessionPlan>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPlan {
    pub id: String,
    pub mode: &'static str,
    pub prompts: Vec<PromptPlan>,
    /// Decides what its clients do.
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptPlan {
    pub id: String,
    pub text: String,
    pub via: Via,
    pub conflict_strategy: &'static str,
    pub pause: Duration,
    /// Somebody cancels the turn so long after its start.
    pub cancel: Option<Duration>,
}

/// The way in which a client talks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Rest,
    Socket,
    Sdk,
}

impl Plan {
    pub fn new(seed: u64, round: u64, mark: &str) -> Self {
        let mut rng = Rng::new(seed, round);
        // Every point has its turn; between them come moments that nobody chose.
        let cycle = POINTS.len() as u64 + 5;
        let first = match usize::try_from((round + seed) % cycle).ok().and_then(|at| POINTS.get(at)) {
            Some(point) => Kill::at(point, &mut rng),
            None => Kill::After(Duration::from_millis(rng.range(40, 1_200))),
        };
        let mut kills = vec![first];
        match rng.range(0, 99) {
            0..40 => kills.push(match rng.range(0, 2) {
                0 => Kill::After(Duration::from_millis(rng.range(20, 500))),
                1 => Kill::at(rng.pick(&RECOVERY), &mut rng),
                _ => {
                    let point = rng.pick(&POINTS);
                    Kill::At { point, count: rng.range(1, 6) }
                }
            }),
            // More often than a turn is taken up again: it has to be given up, not tried for ever.
            40..46 => kills.extend((0..4).map(|_| Kill::At { point: "recovery.after_append", count: rng.range(1, 3) })),
            _ => {}
        }
        let hurry = rng.chance(50);
        let interrupt = rng.chance(10);
        let helper = rng.chance(35).then(|| HelperKill::new(&mut rng));
        let sessions = (0..SESSIONS).map(|number| SessionPlan::new(seed, round, number, mark, &mut rng)).collect();
        Self { kills, hurry, helper, interrupt, sessions }
    }

    /// A round in which a mistake has its best chance to show.
    pub fn for_mistake(mistake: &str, seed: u64, round: u64, mark: &str) -> Self {
        let mut plan = Self::new(seed, round, mark);
        let mut rng = Rng::new(seed, round ^ 0xffff);
        plan.interrupt = false;
        plan.helper = None;
        let kill = match mistake {
            "acknowledge_before_commit" => Kill::At { point: "store.before_insert", count: rng.range(12, 40) },
            "reuse_seq" => Kill::At { point: "engine.before_append", count: rng.range(12, 60) },
            "rerun_begun_call" => Kill::At { point: "engine.call_finished", count: rng.range(1, 3) },
            // What a killed server leaves is not the mistake that is meant: the work is left to the next one.
            "leave_child" => Kill::After(Duration::from_millis(60)),
            _ => Kill::After(Duration::from_millis(rng.range(250, 700))),
        };
        plan.kills = vec![kill];
        plan
    }
}

impl Kill {
    fn at(point: &'static str, rng: &mut Rng) -> Self {
        let most = match point.split_once('.') {
            Some(("recovery", _)) => 4,
            _ if point.contains("summary") => 2,
            _ if point.contains("call") => 4,
            _ if point.contains("command") => 3,
            _ => 70,
        };
        Self::At { point, count: rng.range(1, most) }
    }
}

impl HelperKill {
    fn new(rng: &mut Rng) -> Self {
        if rng.chance(50) {
            let name = rng.pick(&["exec-keeper", "exec-supervisor"]);
            return Self::After { name, after: Duration::from_millis(rng.range(50, 1_000)) };
        }
        let point = rng.pick(&HELPER_POINTS);
        // A keeper meets each of its points once.
        let count = if point.starts_with("supervisor") { rng.range(1, 3) } else { 1 };
        Self::At { point, count }
    }
}

impl SessionPlan {
    fn new(seed: u64, round: u64, number: u64, mark: &str, rng: &mut Rng) -> Self {
        let name = format!("{seed:x}-{round}-{number}");
        // The last session asks before each command.
        let mode = if number + 1 == SESSIONS { "ask" } else { "full" };
        let prompts = (0..rng.range(2, 3)).map(|at| {
            let id = format!("prompt-{name}-{at}");
            PromptPlan {
                text: text(&format!("{name}-{at}"), mark, mode == "ask", rng),
                via: rng.pick(&[Via::Rest, Via::Socket, Via::Sdk]),
                conflict_strategy: rng.pick(&[
                    "queue",
                    "queue",
                    "queue",
                    "queue",
                    "queue",
                    "queue",
                    "queue",
                    "steer",
                    "interrupt",
                ]),
                pause: Duration::from_millis(rng.range(0, 60)),
                cancel: rng.chance(8).then(|| Duration::from_millis(rng.range(0, 200))),
                id,
            }
        });
        Self { prompts: prompts.collect(), id: format!("session-{name}"), mode, seed: rng.next() }
    }
}

/// A prompt whose marker tells the scripted model what to do.
fn text(name: &str, mark: &str, asks: bool, rng: &mut Rng) -> String {
    let rounds = if asks { 1 } else { rng.range(0, 2) };
    let mut steps: Vec<Value> = (0..rounds)
        .map(|round| {
            let calls: Vec<Value> = (0..rng.range(1, 2))
                .map(|call| {
                    if rng.chance(15) {
                        return json!({ "name": "read_file", "arguments": { "path": "effects.log" } });
                    }
                    let effect = format!("effect-{name}-{round}-{call}");
                    if rng.chance(25) {
                        let command = background(&effect, mark, rng);
                        return json!({ "name": "bash", "arguments": { "command": command, "background": true } });
                    }
                    let command = command(&effect, mark, rng);
                    json!({ "name": "bash", "arguments": { "command": command } })
                })
                .collect();
            json!({ "say": words(rng), "every_ms": rng.range(0, 6), "calls": calls })
        })
        .collect();
    steps.push(json!({ "say": words(rng), "every_ms": rng.range(0, 8) }));
    format!("[[steps {}]]", Value::Array(steps))
}

/// A command with an effect that can be counted.
fn command(effect: &str, mark: &str, rng: &mut Rng) -> String {
    let count = format!("echo {effect} >> effects.log");
    match rng.range(0, 3) {
        0 => count,
        1 => format!("{count}; for i in 1 2 3 4 5 6; do echo line $i; sleep 0.05; done"),
        2 => format!("echo before; {count}; sleep 0.2; echo after"),
        _ => format!("export CRASH_MARK={mark}; {count}; {STUBBORN} sleep 0.2; echo started"),
    }
}

/// A command that goes on after its call, for a while.
fn background(effect: &str, mark: &str, rng: &mut Rng) -> String {
    let pause = rng.range(0, 9);
    format!("export CRASH_MARK={mark}; echo {effect} >> effects.log; {STUBBORN} echo begun; sleep 0.{pause}; echo over")
}

/// Children that do not want to die: a session of their own, two forks, no hang-up, deaf to TERM. They end by themselves
/// after two minutes, for the day on which the harness is killed itself.
const STUBBORN: &str = "(setsid bash -c 'trap \"\" TERM HUP; for i in $(seq 600); do sleep 0.2; done' >/dev/null 2>&1 &); \
                        nohup bash -c 'trap \"\" TERM; sleep 120' >/dev/null 2>&1 & \
                        bash -c '(trap \"\" TERM; sleep 120) & exit 0' >/dev/null 2>&1;";

fn words(rng: &mut Rng) -> String {
    const WORDS: [&str; 8] = ["keel", "größer", "mast", "hull", "日本", "rope", "tide", "deck"];
    (0..rng.range(3, 25)).map(|_| rng.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    //! A seed gives the same plan, and every fail point has its turn.

    use std::collections::BTreeSet;

    use wharf_failpoints::POINTS;

    use super::{Kill, Plan};

    #[test]
    fn a_seed_gives_one_plan() {
        assert_eq!(Plan::new(7, 3, "m"), Plan::new(7, 3, "m"));
        assert_ne!(Plan::new(7, 3, "m"), Plan::new(8, 3, "m"));
    }

    #[test]
    fn every_point_has_its_turn() {
        let points: BTreeSet<&str> = (0..40)
            .filter_map(|round| match Plan::new(7, round, "m").kills[..] {
                [Kill::At { point, .. }, ..] => Some(point),
                _ => None,
            })
            .collect();
        assert_eq!(points, BTreeSet::from(POINTS));
    }
}
