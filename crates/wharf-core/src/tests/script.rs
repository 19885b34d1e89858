//! The language of the scripts. Commands stand between `;`:
//!
//! `quiet` (leaves out what follows, up to `loud`) · `config KEY=VALUE ...` (first) · `rule ACTION TOOL [PATTERN]` (first) · `prompt ID [STRATEGY] [PRIORITY] [#HASH] [was=#HASH]` (what the store knows of its id) ·
//! `text TEXT` · `think TEXT` · `stale TEXT` · `done [STOP_REASON]` (says `ok` first if nothing was said) · `empty [STOP_REASON]` · `nocall` · `calls TOOL SUBJECT / TOOL SUBJECT` (`TOOL !RAW` for arguments that cannot
//! be read) · `cut ...` (the same, out of tokens) · `filtered ...` (the same, refused) · `fail KIND [RETRY_AFTER_MS]` · `fail overflow [LIMIT/ASKED]` · `progress CALL TEXT` · `finish CALL TEXT` · `error CALL REASON TEXT` · `plan CALL` ·
//! `answer PERMISSION OPTION [BY] [MESSAGE]` · `answerers N` · `cancel [force] [clear] [TURN]` · `withdraw ID` ·
//! `priority ID PRIORITY` · `execute TOOL SUBJECT` · `start CALL COMMAND` · `crowd CALL COMMAND` (no place is left) · `stop COMMAND [BY]` · `ended COMMAND STATUS [CODE]` · `commands` · `set KEY=VALUE ...` · `clear` · `delete` · `drain` · `tools NAME ...` · `agent STEPS NAME ...` · `configured KEY=VALUE ...` · `wait MS` · `later MS` (no
//! tick) · `recorded CALL exit|output TEXT` (what the next owner finds) · `crash [MS] [skip=SEQ]` · `context TOKENS` · `queue` · `repeat N COMMAND` ·
//! `window TOKENS` (told before the request is sent) · `compact [FOCUS]` · `summary TEXT` · `summary bytes=N` · `summary! STOP_REASON|calls TEXT` (unusable) · `nosummary KIND [LIMIT/ASKED]` ·
//! `around off` · `around [git=TEXT] [PATH=TEXT] [user:PATH=TEXT] [below:PATH=bytes:N] ...` (what the engine sees) · `touched` · `shown` (the messages in whole) ·
//! `title TEXT` (what the small model wrote) ·
//! `fork [SEQ]` (how a copy up to there ends) · `forks` (checks a copy up to each event)

use std::fmt::Write;
use std::sync::Arc;

use expect_test::Expect;
use serde_json::{Value, json};
use wharf_protocol::event::{CallErrorReason, InstructionOrigin};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply, ProposedCall};
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::tool::PlanEntry;
use wharf_protocol::{
    CallOutcome, CommandEnd, ContentBlock, Mode, PromptContent, RecordedCall, Seq, StopReason, Timestamp, ToolError,
    ToolOutput, ToolSpec, UnseenImages, Usage,
};

use super::bench::{Bench, config, rule};
use super::print::Names;
use crate::{
    Again, Answer, CoreConfig, EarlierPrompt, Facts, Input, InstructionFile, NewCommand, NewPrompt, Outcome, Recovery,
    Surroundings,
};

/// Runs a script and compares everything that came of it.
pub(crate) fn check(script: &str, expect: Expect) {
    expect.assert_eq(&run(script));
}

pub(crate) fn run(script: &str) -> String {
    let mut commands = script.split(';').map(str::trim).filter(|command| !command.is_empty()).peekable();
    let (mut config, mut mode) = (config(), Mode::Full);
    while let Some(command) = commands.next_if(|c| c.starts_with("config ") || c.starts_with("rule ")) {
        configure(&mut config, &mut mode, command);
    }
    let mut script =
        Script { bench: Bench::new(config, mode, 7), names: Names::default(), out: String::new(), quiet: false };
    for command in commands {
        script.step(command);
    }
    script.out
}

fn configure(config: &mut CoreConfig, mode: &mut Mode, command: &str) {
    if let Some(words) = command.strip_prefix("rule ") {
        let mut words = words.splitn(3, ' ');
        let mut rules = config.rules.to_vec();
        rules.push(rule(words.next().unwrap(), words.next().unwrap(), words.next()));
        config.rules = rules.into();
        return;
    }
    for pair in command.split_whitespace().skip(1) {
        let (key, value) = pair.split_once('=').unwrap();
        match key {
            "mode" => *mode = value.parse().unwrap(),
            "steps" => config.max_steps = value.parse().unwrap(),
            "turn_ms" => config.max_turn_ms = value.parse().unwrap(),
            "tokens" => config.max_turn_tokens = Some(value.parse().unwrap()),
            "queue" => config.queue_limit = value.parse().unwrap(),
            "recovery" => config.recovery = if value == "interrupt" { Recovery::Interrupt } else { Recovery::Continue },
            "fallback" => config.fallback_models = value.split(',').map(str::to_owned).collect(),
            "titles" => config.asks_for_titles = value == "asked",
            "other" => config.other_agents = [(value.to_owned(), 1)].into(),
            "resumes" => config.max_resumes = value.parse().unwrap(),
            key => panic!("unknown setting {key}"),
        }
    }
}

struct Script {
    bench: Bench,
    names: Names,
    out: String,
    quiet: bool,
}

impl Script {
    fn step(&mut self, command: &str) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "quiet" => return self.quiet = true,
            "loud" => return self.quiet = false,
            "repeat" => {
                let (times, command) = rest.split_once(' ').unwrap();
                return (0..times.parse().unwrap()).for_each(|_| self.step(command));
            }
            _ => {}
        }
        let mut out = format!("> {command}\n");
        let outcomes = match verb {
            "wait" => self.bench.wait(rest.parse().unwrap()),
            "later" => {
                self.bench.now = self.bench.now.after_ms(rest.parse().unwrap());
                Vec::new()
            }
            "crash" => vec![self.crash(rest)],
            "recorded" => {
                let mut words = rest.splitn(3, ' ');
                let call_id = self.names.id(words.next().unwrap()).parse().unwrap();
                let (how, output) = (words.next().unwrap(), words.next().unwrap_or_default().to_owned());
                let outcome = (how == "exit").then(|| completed(output.clone(), None));
                self.bench.recorded.insert(call_id, RecordedCall { outcome, output, duration_ms: 70 });
                Vec::new()
            }
            "context" => {
                let known = Input::WindowKnown { tokens: Some(rest.parse().unwrap()), ask: None };
                let told = self.bench.handle(known);
                assert_eq!((told.events, told.effects), (Vec::new(), Vec::new()));
                Vec::new()
            }
            "around" => {
                self.bench.core.set_surroundings(around(rest));
                Vec::new()
            }
            "touched" => {
                let wants = self.bench.core.wants_a_look();
                writeln!(out, "  {} (looks: {wants})", self.bench.core.take_touched().join(" ")).unwrap();
                Vec::new()
            }
            "shown" => {
                for message in self.bench.core.messages() {
                    let blocks: Vec<_> = message.content.iter().filter_map(|block| block.as_text()).collect();
                    writeln!(out, "  {:?} {:?}", message.role, blocks.join("")).unwrap();
                }
                Vec::new()
            }
            "commands" => {
                for command in self.bench.core.commands() {
                    writeln!(out, "  {} {}", command.command, command.status.as_str()).unwrap();
                }
                let is_quiet = self.bench.core.is_quiet();
                writeln!(out, "  quiet: {is_quiet}, {} run", self.bench.core.session().running_commands).unwrap();
                Vec::new()
            }
            "fork" => {
                let at = rest.parse().ok().map_or(self.bench.core.session().last_seq, Seq);
                let (_, ends) = self.bench.fork(at);
                vec![Outcome { events: ends, effects: Vec::new(), answer: Ok(Answer::Done) }]
            }
            "forks" => {
                self.bench.check_forks(1);
                Vec::new()
            }
            "queue" => {
                for prompt in self.bench.core.queue() {
                    writeln!(out, "  {} {} {:?}", prompt.position, prompt.message_id, prompt.priority).unwrap();
                }
                Vec::new()
            }
            _ => {
                let says_nothing = || {
                    let turn = self.bench.core.turn.as_ref();
                    turn.is_some_and(|turn| {
                        turn.held.is_empty() && turn.reply.as_ref().is_none_or(|r| r.text.is_empty())
                    })
                };
                let mut outcomes = Vec::new();
                if verb == "done" && says_nothing() {
                    let text = Input::ModelText { ask: self.bench.core.last_ask, text: "ok".to_owned() };
                    outcomes.push(self.bench.handle(text));
                }
                let input = self.input(verb, rest);
                outcomes.push(self.bench.handle(input));
                outcomes
            }
        };
        for outcome in &outcomes {
            self.names.outcome(outcome, &mut out);
        }
        if !self.quiet {
            self.out.push_str(&out);
        }
    }

    fn crash(&mut self, rest: &str) -> crate::Outcome {
        let mut skip_to = None;
        for word in rest.split_whitespace() {
            match word.strip_prefix("skip=") {
                Some(seq) => skip_to = Some(seq.parse().unwrap()),
                None => self.bench.now = Timestamp(self.bench.now.0 + word.parse::<i64>().unwrap()),
            }
        }
        self.bench.crash(skip_to, false)
    }

    fn input(&mut self, verb: &str, rest: &str) -> Input {
        let mut words = rest.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let ask = self.bench.core.last_ask;
        match verb {
            "prompt" => prompt(rest),
            "window" => Input::WindowKnown { tokens: rest.parse().ok(), ask: Some(ask) },
            "text" => Input::ModelText { ask, text: rest.to_owned() },
            "stale" => Input::ModelText { ask: ask - 1, text: rest.to_owned() },
            "think" => Input::ModelReasoning { ask, text: rest.to_owned() },
            "done" | "empty" => Input::ModelFinished { ask, reply: reply(rest, Vec::new()) },
            "blind" => {
                let unseen = UnseenImages { unsupported: rest.parse().unwrap(), ..UnseenImages::default() };
                Input::ModelFinished { ask, reply: ModelReply { unseen, ..reply("", Vec::new()) } }
            }
            "nocall" => {
                Input::ModelFinished { ask, reply: ModelReply { announces_call: true, ..reply(rest, Vec::new()) } }
            }
            "cut" => {
                Input::ModelFinished { ask, reply: reply("max_tokens", rest.split(" / ").map(proposed).collect()) }
            }
            "filtered" => {
                Input::ModelFinished { ask, reply: reply("refusal", rest.split(" / ").map(proposed).collect()) }
            }
            "calls" => Input::ModelFinished { ask, reply: reply("", rest.split(" / ").map(proposed).collect()) },
            "fail" => Input::ModelFailed { ask, error: failure(word(), word()), again: Again::default() },
            "progress" | "finish" | "error" | "plan" => self.call_input(verb, rest),
            "answer" => Input::Answer {
                permission_id: self.names.id(word()).parse().unwrap(),
                option: from_word(word()),
                by: words.next().map(str::to_owned),
                message: Some(words.collect::<Vec<_>>().join(" ")).filter(|message| !message.is_empty()),
            },
            "answerers" => Input::Answerers(rest.parse().unwrap()),
            "cancel" => Input::Cancel {
                by: Some("ann".to_owned()),
                force: rest.contains("force"),
                clear_queue: rest.contains("clear"),
                turn_id: words.find(|w| *w != "force" && *w != "clear").map(|t| self.names.id(t).parse().unwrap()),
            },
            "withdraw" => Input::Withdraw { message_id: rest.parse().unwrap(), by: Some("ann".to_owned()) },
            "priority" => Input::Reprioritise { message_id: word().parse().unwrap(), priority: from_word(word()) },
            "execute" => {
                let call = proposed(rest);
                Input::Execute { tool_name: call.tool_name, arguments: call.arguments.unwrap_or_default(), by: None }
            }
            "start" | "crowd" => Input::StartCommand(NewCommand {
                call_id: self.names.id(word()).parse().unwrap(),
                command: words.collect::<Vec<_>>().join(" "),
                directory: "/repo".to_owned(),
                terminal: None,
                takes_input: false,
                timeout_ms: None,
                has_place: verb == "start",
            }),
            "stop" => Input::StopCommand {
                command_id: self.names.id(word()).parse().unwrap(),
                by: words.next().map(str::to_owned),
            },
            "ended" => Input::CommandEnded {
                command_id: self.names.id(word()).parse().unwrap(),
                end: CommandEnd {
                    status: from_word(word()),
                    exit_code: words.next().map(|code| code.parse().unwrap()),
                    error: None,
                    duration_ms: None,
                    output_bytes: 7,
                },
            },
            "set" => Input::Update { change: change(rest), by: Some("ann".to_owned()) },
            "clear" => Input::Clear { by: None },
            "compact" => Input::Compact {
                focus: Some(rest.to_owned()).filter(|focus| !focus.is_empty()),
                by: Some("ann".to_owned()),
            },
            "summary" => {
                let text = match rest.strip_prefix("bytes=") {
                    Some(bytes) => "x".repeat(bytes.parse().unwrap()),
                    None => rest.to_owned(),
                };
                Input::SummaryWritten { ask, text, reply: reply("", Vec::new()) }
            }
            "summary!" => {
                let (how, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let reply = match how {
                    "calls" => reply("", vec![proposed("read a")]),
                    reason => reply(reason, Vec::new()),
                };
                Input::SummaryWritten { ask, text: text.to_owned(), reply }
            }
            "nosummary" => Input::SummaryFailed { ask, error: failure(word(), word()), again: Again::default() },
            "delete" => Input::Delete { by: None },
            "drain" => Input::Drain,
            "tools" => Input::ToolsChanged(self.tools(words)),
            "agent" => {
                let max_steps = word().parse().unwrap();
                Input::AgentChanged { tools: self.tools(words), max_steps }
            }
            "configured" => {
                let (mut config, mut mode) = (self.bench.config.clone(), Mode::Full);
                configure(&mut config, &mut mode, &format!("config {rest}"));
                Input::Configured(Box::new(config))
            }
            "title" => {
                let ask = self.bench.core.titling.as_ref().and_then(|titling| titling.ask).unwrap_or_default();
                let reply = Some(("demo/small".to_owned(), reply("", Vec::new())));
                Input::TitleWritten { ask, text: rest.replace('_', "\n"), reply }
            }
            "tick" => Input::Tick,
            verb => panic!("unknown command {verb}"),
        }
    }

    /// Those of the bench that have these names.
    fn tools<'a>(&self, names: impl Iterator<Item = &'a str>) -> Arc<[Arc<ToolSpec>]> {
        let names: Vec<&str> = names.collect();
        self.bench.config.tools.iter().filter(|tool| names.contains(&tool.name.as_str())).cloned().collect()
    }

    fn call_input(&self, verb: &str, rest: &str) -> Input {
        let (call, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let call_id = self.names.id(call).parse().unwrap();
        let outcome = match verb {
            "progress" => return Input::CallProgress { call_id, output: text.to_owned(), omitted: 0 },
            "error" => {
                let (reason, error) = text.split_once(' ').unwrap_or((text, ""));
                Err(failed(from_word(reason), error))
            }
            "plan" => {
                let entry: PlanEntry = serde_json::from_value(json!({ "content": "step" })).unwrap();
                completed("planned".to_owned(), Some(vec![entry]))
            }
            _ => match text.strip_prefix("bytes=") {
                Some(bytes) => completed("x".repeat(bytes.parse().unwrap()), None),
                None => completed(text.to_owned(), None),
            },
        };
        Input::CallFinished { call_id, outcome }
    }
}

/// What the engine sees of a workspace.
pub(crate) fn around(rest: &str) -> Option<Surroundings> {
    if rest == "off" {
        return None;
    }
    let mut seen = Surroundings { facts: Some(Facts::default()), files: Vec::new() };
    for pair in rest.split_whitespace() {
        let (path, text) = pair.split_once('=').unwrap();
        if path == "git" {
            seen.facts = Some(Facts { git: Some(format!("Git branch: {text}")) });
            continue;
        }
        let (origin, path, is_below) = match path.split_once(':') {
            Some(("user", path)) => (InstructionOrigin::User, path, false),
            Some((_, path)) => (InstructionOrigin::Workspace, path, true),
            None => (InstructionOrigin::Workspace, path, false),
        };
        let text = match text.strip_prefix("bytes:") {
            Some(bytes) => "y".repeat(bytes.parse().unwrap()),
            None => text.replace('_', " "),
        };
        let digest = format!("{}{}", text.len(), text.chars().next().unwrap_or(' ')).into();
        let (path, bytes) = (path.to_owned(), text.len() as u64);
        seen.files.push(InstructionFile {
            path,
            origin,
            is_below,
            text: text.into(),
            digest,
            bytes,
            left_out_bytes: 0,
        });
    }
    Some(seen)
}

fn from_word<T: serde::de::DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(json!(word)).unwrap()
}

pub(crate) fn prompt(rest: &str) -> Input {
    let mut words = rest.split_whitespace();
    let id = words.next().unwrap();
    let mut prompt = NewPrompt {
        message_id: id.parse().unwrap(),
        content: PromptContent::from(format!("do {id}").as_str()),
        priority: Default::default(),
        conflict_strategy: Default::default(),
        sender: Some("ann".to_owned()),
        metadata: None,
        body_hash: "#1".to_owned(),
        earlier: None,
    };
    for word in words {
        match word {
            "queue" | "reject" | "steer" | "interrupt" => prompt.conflict_strategy = from_word(word),
            "low" | "normal" | "high" | "urgent" => prompt.priority = from_word(word),
            size if size.starts_with("bytes=") => {
                let text = "x".repeat(size[6..].parse().unwrap());
                prompt.content = PromptContent::from(format!("do {id} {text} end").as_str());
            }
            size if size.starts_with("image=") => {
                let (width, height) = size[6..].split_once('x').unwrap();
                let data = png_head(width.parse().unwrap(), height.parse().unwrap());
                let image = ContentBlock::Image { data, mime_type: "image/png".to_owned(), uri: None };
                let mut blocks = prompt.content.to_blocks();
                blocks.push(image);
                prompt.content = PromptContent::Blocks(blocks);
            }
            was if was.starts_with("was=") => {
                let (turn_id, body_hash) = ("turn-of-old".parse().unwrap(), was[4..].to_owned());
                prompt.earlier = Some(EarlierPrompt { turn_id, seq: Seq(2), body_hash });
            }
            hash => prompt.body_hash = hash.to_owned(),
        }
    }
    Input::Prompt(prompt)
}

/// The beginning of a PNG, in base64: who asks how large it is does not read on.
fn png_head(width: u32, height: u32) -> String {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    wharf_foreign::image::encode(&[&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &sides, &[8, 6, 0, 0, 0]].concat())
}

pub(crate) fn completed(result: String, plan: Option<Vec<PlanEntry>>) -> CallOutcome {
    Ok(ToolOutput { plan, ..ToolOutput::text(result) })
}

/// `told` is what a failed call says; of the others the core knows it.
pub(crate) fn failed(reason: CallErrorReason, told: &str) -> ToolError {
    match reason {
        CallErrorReason::Cancelled => ToolError::stopped(),
        CallErrorReason::TimedOut => ToolError::TimedOut { after_ms: 1_000, output: String::new() },
        _ => ToolError::Failed(told.to_owned()),
    }
}

pub(crate) fn reply(stop_reason: &str, tool_calls: Vec<ProposedCall>) -> ModelReply {
    let stop_reason = if stop_reason.is_empty() { StopReason::EndTurn } else { from_word(stop_reason) };
    let usage = Usage { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110, ..Usage::default() };
    ModelReply {
        stop_reason,
        announces_call: false,
        tool_calls,
        usage: Some(usage),
        cost: None,
        provider_data: None,
        unseen: UnseenImages::default(),
    }
}

pub(crate) fn proposed(call: &str) -> ProposedCall {
    let (tool_name, subject) = call.trim().split_once(' ').unwrap_or((call.trim(), ""));
    let name = match tool_name {
        "bash" => "command",
        "think" => "thought",
        _ => "path",
    };
    let arguments = match subject.strip_prefix('!') {
        Some(raw) => Err(raw.to_owned()),
        None => Ok(json!({ name: subject })),
    };
    ProposedCall { tool_name: tool_name.to_owned(), arguments, provider_data: None }
}

pub(crate) fn failure(kind: &str, retry_after_ms: &str) -> ModelError {
    let (kind, retry_after_ms) = kind.split_once(' ').unwrap_or((kind, retry_after_ms));
    let kind = match kind {
        "overloaded" => ModelErrorKind::Overloaded,
        "rate" => ModelErrorKind::RateLimited,
        "timeout" => ModelErrorKind::Timeout,
        "overflow" => {
            let (limit, asked) = retry_after_ms.split_once('/').unwrap_or_default();
            ModelErrorKind::ContextOverflow { limit: limit.parse().ok(), asked: asked.parse().ok() }
        }
        "unauthorized" => ModelErrorKind::Unauthorized,
        kind => panic!("unknown failure {kind}"),
    };
    ModelError { kind, message: "the model is ill".to_owned(), retry_after_ms: retry_after_ms.parse().ok() }
}

fn change(rest: &str) -> UpdateSession {
    let fields: serde_json::Map<String, Value> = rest
        .split_whitespace()
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap();
            (key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value)))
        })
        .collect();
    serde_json::from_value(Value::Object(fields)).unwrap()
}
