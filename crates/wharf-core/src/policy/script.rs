//! A shell command, weighed program by program.

use std::path::{Path, PathBuf};

use wharf_foreign::visible;
use wharf_protocol::permission::PlannedCommand;
use wharf_protocol::{Mode, Rule, RuleAction, Seen, SeenUse, ToolSpec};
use wharf_shell::uses::{Use, Way};
use wharf_shell::{Command, Hides, Reading, UNKNOWN, WordKind, Wrapper, reads, uses};

use super::in_words;
use super::paths::{READS, WRITES};
use super::pattern::{is_match, is_match_by_words, names_tool};
use crate::describe::normalize;

/// So many programs are listed in a question, each with so many bytes.
const LISTED_MAX: usize = 100;
const LISTED_MAX_BYTES: usize = 1_000;

/// Devices that keep nothing and tell nothing.
const NOWHERE: [&str; 4] = ["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// So many words of a command that starts another one are looked through for it; of one with more, any may be.
const LOOKED_THROUGH_MAX: usize = 64;

/// What a call to the shell would run.
pub(super) struct Script<'a> {
    pub(super) reading: Reading,
    seen: Option<&'a Seen>,
    /// The directory that it starts in, seen from the session's.
    start: String,
    cwd: &'a Path,
}

/// What allows it.
pub(super) struct Allowing<'a> {
    pub(super) rules: &'a [Rule],
    pub(super) spec: &'a ToolSpec,
    pub(super) mode: Mode,
}

/// A pattern that allows, read like a command.
struct Pattern<'a> {
    rule: &'a Rule,
    text: &'a str,
    reading: Reading,
}

/// Why one command may run, or why it is asked.
pub(super) type Weighed = Result<Reason, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    Rule(String),
    OnlyReads,
    /// It is what it starts.
    Wraps,
}

impl<'a> Script<'a> {
    pub(super) fn new(text: &str, seen: Option<&'a Seen>, cwd: &'a Path) -> Self {
        let start = seen.and_then(|seen| seen.paths.first()).map(|path| path.name.clone()).unwrap_or_default();
        let start = if start == "." { String::new() } else { start };
        Self { reading: wharf_shell::read(text), seen, start, cwd }
    }

    /// Whether a pattern that asks or denies covers one of the commands.
    pub(super) fn is_touched_by(&self, pattern: &str) -> bool {
        self.reading.commands.iter().flat_map(forms).any(|form| is_match(pattern, &form))
    }

    /// Whether it may cover one that is not read, or that is known only when it runs. Why, if so.
    pub(super) fn may_be_touched_by(&self, pattern: &str) -> Option<String> {
        if self.reading.is_partial {
            return self.reading.doubt.clone();
        }
        self.reading.commands.iter().find_map(|command| {
            let is_unknown = may_cover(pattern, command, |form| form.contains(UNKNOWN));
            let hidden = command.doubt.clone().filter(|_| hides(pattern, command));
            hidden.or_else(|| is_unknown.then(|| "a part of it is known only when it runs".to_owned()))
        })
    }

    /// Why a rule that asks or denies may be about this script although it covers none of its commands: they mean something else here,
    /// or a pattern of file names may stand for a path that the rule is about.
    pub(super) fn may_concern(&self, rule: &Rule, pattern: &str, spec: &ToolSpec) -> Option<String> {
        if names_tool(&rule.tool, &spec.name)
            && let Some(doubt) = &self.reading.doubt
        {
            return Some(doubt.clone());
        }
        let is_about_paths =
            names_tool(&rule.tool, READS) || WRITES.into_iter().any(|tool| names_tool(&rule.tool, tool));
        let of_files = self.reading.commands.iter().flat_map(|command| command.words.iter().skip(1));
        let mut globs = of_files.filter(|word| word.kind == WordKind::Glob);
        let may = globs.any(|word| {
            let text = any_text(&word.text);
            let name = text.rsplit('/').next().unwrap_or(&text);
            wharf_shell::pattern::may_match(pattern, &text) || wharf_shell::pattern::may_match(pattern, name)
        });
        (is_about_paths && may).then(|| "a pattern of file names may stand for it".to_owned())
    }

    /// Whether a rule about paths that asks or denies covers one that a command uses, or may use.
    pub(super) fn is_path_touched_by(&self, rule: &Rule, pattern: &str, spec: &ToolSpec) -> bool {
        let names = |tool: &str| names_tool(&rule.tool, tool);
        let (of_reads, of_writes) = (names(READS) || names(&spec.name), WRITES.into_iter().any(names));
        if !of_reads && !of_writes {
            return false;
        }
        self.reading.commands.iter().any(|command| {
            let known = self.uses(command).into_iter().flatten();
            let is_used = known.into_iter().any(|used| {
                (of_reads || used.way == Way::Write)
                    && self.path_forms(&used).iter().any(|form| is_match(pattern, form))
            });
            // A rule for the shell alone is about commands, and its patterns match whole ones.
            let guesses = names(READS) || of_writes;
            is_used
                || (guesses
                    && uses::guessed(command).into_iter().any(|path| {
                        let used =
                            Use { path: self.beneath_start(&path), way: Way::Read, is_deep: false, follows: false };
                        self.path_forms(&used).iter().any(|form| is_match(pattern, form))
                    }))
        })
    }

    /// What each command may run by, or why it is asked; and why the whole is not understood.
    pub(super) fn weigh(&self, allowing: &Allowing) -> (Vec<Weighed>, Option<String>) {
        let problem = self.problem();
        let patterns = patterns(allowing);
        if problem.is_none()
            && let Some(pattern) = patterns.iter().find(|pattern| self.is_whole_covered_by(pattern))
        {
            let reason = Reason::Rule(in_words(pattern.rule));
            return (vec![Ok(reason); self.reading.commands.len()], None);
        }
        let mut weighed: Vec<Weighed> =
            (0..self.reading.commands.len()).map(|at| self.weigh_one(at, allowing, &patterns)).collect();
        // A pattern that names a wrapper together with what it starts covers both.
        for at in 0..weighed.len() {
            let command = &self.reading.commands[at];
            if command.wrapper == Wrapper::None || !matches!(weighed[at], Ok(Reason::Rule(_))) {
                continue;
            }
            let started = descendants(&self.reading, at);
            let names_both = |pattern: &&Pattern| {
                covers(pattern.text, command) && descendants(&pattern.reading, 0).len() == started.len()
            };
            if let Some(pattern) = patterns.iter().find(names_both) {
                for inner in started {
                    if self.reading.commands[inner].doubt.is_none() {
                        weighed[inner] = Ok(Reason::Rule(in_words(pattern.rule)));
                    }
                }
            }
        }
        (weighed, problem)
    }

    fn problem(&self) -> Option<String> {
        if let Some(doubt) = &self.reading.doubt {
            return Some(doubt.clone());
        }
        let script = self.seen.and_then(|seen| seen.script.as_ref());
        if self.reading.uses_bash && script.is_some_and(|script| !script.has_bash) {
            return Some("it is written for bash, which is not here".to_owned());
        }
        self.seen.and_then(|seen| seen.foreign.clone())
    }

    fn weigh_one(&self, at: usize, allowing: &Allowing, patterns: &[Pattern]) -> Weighed {
        let command = &self.reading.commands[at];
        if let Some(doubt) = &command.doubt {
            return Err(doubt.clone());
        }
        self.surroundings(command, allowing)?;
        if let Some(pattern) = patterns.iter().find(|pattern| covers(pattern.text, command)) {
            let is_literal = command.words.iter().all(|word| !word.text.contains(UNKNOWN));
            // What is fed to a program may be what it runs.
            if is_literal && !command.has_document {
                return Ok(Reason::Rule(in_words(pattern.rule)));
            }
        }
        if command.wrapper == Wrapper::Plain && self.is_found(command) {
            return Ok(Reason::Wraps);
        }
        let Some(reads) = reads::of(command) else { return Err("no rule allows it".to_owned()) };
        if self.seen.is_none_or(|seen| seen.script.is_none()) {
            return Err("it was not looked at".to_owned());
        }
        if !reads.is_builtin && !self.is_found(command) {
            return Err("its program is not looked for in the session's directories".to_owned());
        }
        let used = uses::of_reads(command, &reads).ok_or("where it runs is not known")?;
        for used in used {
            let used = Use { path: self.beneath_start(&used.path), ..used };
            self.is_inside(&used)?;
            let found = self.looked_at(&used);
            if used.is_deep && keeps_files(allowing.rules) {
                return Err("rules keep files from being read, and some may lie below".to_owned());
            }
            if used.is_deep && found.is_some_and(|found| found.holds_state) {
                return Err("Wharf's own state lies below".to_owned());
            }
            if used.follows && found.is_some_and(|found| found.is_directory) {
                return Err("it reads what links in a directory lead to".to_owned());
            }
        }
        Ok(Reason::OnlyReads)
    }

    /// Assignments, redirections and the directory: none of them may take a command further than what is allowed.
    fn surroundings(&self, command: &Command, allowing: &Allowing) -> Result<(), String> {
        for set in &command.assignments {
            let is_own = command.words.is_empty() && set.name.starts_with(|letter: char| letter.is_ascii_lowercase());
            let is_harmless = reads::HARMLESS.contains(&set.name.as_str()) && set.value.known().is_some();
            if !is_own && !is_harmless {
                return Err(format!("it sets {}", set.name));
            }
        }
        for used in self.uses(command).ok_or("a path of it is not known")? {
            self.is_inside(&used)?;
            if used.way == Way::Write && !NOWHERE.contains(&used.path.as_str()) {
                self.may_be_written(&used, allowing)?;
            }
        }
        Ok(())
    }

    /// The uses of its redirections and directory, seen from the session's directory.
    fn uses(&self, command: &Command) -> Option<Vec<Use>> {
        let mut all = uses::around(command)?;
        if let Some(reads) = reads::of(command) {
            all.extend(
                uses::of_reads(command, &reads).unwrap_or_default().into_iter().filter(|used| used.way == Way::Enter),
            );
        }
        Some(all.into_iter().map(|used| Use { path: self.beneath_start(&used.path), ..used }).collect())
    }

    fn beneath_start(&self, path: &str) -> String {
        uses::beneath(&self.start, path)
    }

    fn looked_at(&self, used: &Use) -> Option<&SeenUse> {
        let uses = &self.seen?.script.as_ref()?.uses;
        uses.iter().find(|seen| seen.written == used.path && seen.is_written_to == (used.way == Way::Write))
    }

    fn is_inside(&self, used: &Use) -> Result<(), String> {
        if NOWHERE.contains(&used.path.as_str()) {
            return Ok(());
        }
        let shown = visible::line(&used.path, 200);
        let Some(seen) = self.looked_at(used) else { return Err(format!("{shown} was not looked at")) };
        if seen.path.is_none() {
            return Err(format!("{shown} is outside, protected or not there"));
        }
        match &seen.foreign {
            Some(foreign) if used.way == Way::Enter => Err(foreign.clone()),
            _ => Ok(()),
        }
    }

    fn may_be_written(&self, used: &Use, allowing: &Allowing) -> Result<(), String> {
        let shown = visible::line(&used.path, 200);
        let seen = self.looked_at(used).ok_or_else(|| format!("{shown} was not looked at"))?;
        if let Some(guarded) = &seen.guarded {
            return Err(format!("it writes {shown}: {}", guarded.why));
        }
        if allowing.mode == Mode::AutoEdit {
            return Ok(());
        }
        let forms: Vec<String> = seen.path.iter().flat_map(|path| path.forms(self.cwd)).collect();
        let is_allowed = allowing.rules.iter().filter(|rule| rule.action == RuleAction::Allow).any(|rule| {
            WRITES.into_iter().any(|tool| names_tool(&rule.tool, tool))
                && rule.pattern.as_deref().is_none_or(|pattern| forms.iter().any(|form| is_match(pattern.trim(), form)))
        });
        if is_allowed { Ok(()) } else { Err(format!("it writes {shown}")) }
    }

    /// A bare name that stands outside of the session's directories, or a word of the shell's own.
    fn is_found(&self, command: &Command) -> bool {
        let Some(program) = command.program() else { return false };
        let of_shell = matches!(program, "eval" | "builtin" | "command" | "exec");
        let found = self.seen.and_then(|seen| seen.script.as_ref());
        of_shell || found.is_some_and(|script| script.programs.iter().any(|name| name == program))
    }

    /// The texts that patterns of paths are matched with.
    fn path_forms(&self, used: &Use) -> Vec<String> {
        let absolute = normalize(self.cwd, &used.path);
        let mut forms = vec![used.path.clone(), absolute.to_string_lossy().into_owned()];
        forms.extend(
            absolute.strip_prefix(normalize(self.cwd, "")).ok().map(|inside| inside.to_string_lossy().into_owned()),
        );
        let looked = self.seen.and_then(|seen| seen.script.as_ref()).into_iter().flat_map(|script| &script.uses);
        let led = looked.filter(|seen| seen.written == used.path).filter_map(|seen| seen.path.as_ref());
        forms.extend(led.flat_map(|path| path.forms(self.cwd)));
        forms
    }

    /// A pattern that is a chain itself, or has redirections: it covers a script of the same form.
    fn is_whole_covered_by(&self, pattern: &Pattern) -> bool {
        let (of_pattern, of_script) = (&pattern.reading, &self.reading);
        let redirects = of_pattern.commands.iter().map(|command| command.redirects.len()).sum::<usize>();
        let (Some(joints), Some(found)) = (&of_pattern.joints, &of_script.joints) else { return false };
        if of_pattern.doubt.is_some() || (joints.is_empty() && redirects == 0) || joints != found {
            return false;
        }
        of_pattern.commands.len() == of_script.commands.len()
            && of_pattern.commands.iter().zip(&of_script.commands).all(|(pattern, command)| {
                let same_redirects = pattern.redirects.len() == command.redirects.len()
                    && pattern.redirects.iter().zip(&command.redirects).all(|(wanted, found)| {
                        wanted.target == found.target
                            && found.word.known().is_some_and(|found| is_match(&wanted.word.text, found))
                    });
                let is_literal = command.words.iter().all(|word| !word.text.contains(UNKNOWN));
                same_redirects
                    && is_literal
                    && command.doubt.is_none()
                    && command.assignments.is_empty()
                    && !command.has_document
                    && is_match_by_words(&pattern.plain(), &command.rendered())
            })
    }

    /// A redirection goes into a file.
    pub(super) fn writes(&self) -> bool {
        let commands = &self.reading.commands;
        commands
            .iter()
            .flat_map(|command| self.uses(command).unwrap_or_default())
            .any(|used| used.way == Way::Write && !NOWHERE.contains(&used.path.as_str()))
    }

    /// For a question: what it would run.
    pub(super) fn planned(&self, weighed: &[Weighed]) -> Vec<PlannedCommand> {
        let plan = |(command, weighed): (&Command, &Weighed)| PlannedCommand {
            text: visible::line(&command.shown(), LISTED_MAX_BYTES),
            started_by: command.via.and_then(|via| u32::try_from(via).ok()),
            asked: weighed.as_ref().err().map(|why| visible::line(why, LISTED_MAX_BYTES)),
        };
        self.reading.commands.iter().zip(weighed).take(LISTED_MAX).map(plan).collect()
    }

    /// Paths that lead out of the session's directories, as far as text tells.
    pub(super) fn paths_outside(&self, further: &[PathBuf]) -> Vec<String> {
        let mut outside = Vec::new();
        for command in &self.reading.commands {
            let reads = reads::of(command).and_then(|reads| uses::of_reads(command, &reads)).unwrap_or_default();
            let known = uses::around(command).unwrap_or_default().into_iter().chain(reads).map(|used| used.path);
            let guessed = uses::guessed(command)
                .into_iter()
                .filter(|path| path.starts_with(['/', '~']) || path.starts_with(".."));
            for path in known.chain(guessed) {
                let absolute = normalize(self.cwd, &self.beneath_start(&path));
                let is_inside = !path.starts_with('~')
                    && (absolute.starts_with(normalize(self.cwd, ""))
                        || further.iter().any(|further| absolute.starts_with(further)));
                let path = visible::line(&path, 4_096);
                if !is_inside
                    && !NOWHERE.contains(&path.as_str())
                    && !outside.contains(&path)
                    && outside.len() < LISTED_MAX
                {
                    outside.push(path);
                }
            }
        }
        outside
    }
}

/// Whether a pattern covers, or may cover, a form of the command among those that are `considered`.
fn may_cover(pattern: &str, command: &Command, considered: impl Fn(&str) -> bool) -> bool {
    forms(command).iter().any(|form| considered(form) && wharf_shell::pattern::may_match(pattern, form))
}

/// Whether a command that is covered by a pattern may stand where this one starts another one unread.
fn hides(pattern: &str, command: &Command) -> bool {
    match command.hides {
        Hides::Nothing => return false,
        Hides::Elsewhere => return true,
        Hides::InWords if command.words.len() > LOOKED_THROUGH_MAX => return true,
        Hides::InWords => {}
    }
    let texts: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
    // Its words from one of them on, and each of them as a script, also where it is the value of an option.
    let scripts = texts.iter().skip(1).flat_map(|text| {
        let of_option = text.strip_prefix('-').and_then(|option| option.get(1..)).unwrap_or_default();
        [*text, of_option, text.split_once('=').map_or("", |(_, value)| value.trim_start_matches('!'))]
    });
    // More words may come from its input.
    let may_match = |text: &str| {
        let longer = format!("{text} {UNKNOWN}");
        [text, longer.as_str()].into_iter().any(|text| wharf_shell::pattern::may_match(pattern, text))
    };
    (1..texts.len()).any(|at| may_match(&texts[at..].join(" ")))
        || scripts.filter(|script| !script.is_empty()).any(|script| {
            // What is not known of it may be anything.
            let script = script.replace(UNKNOWN, "$_");
            let inner = wharf_shell::read(&script);
            inner.is_partial || inner.commands.iter().any(|inner| may_cover(pattern, inner, |_| true))
        })
}

/// A pattern of file names, with what stands for any text as what is not known.
fn any_text(glob: &str) -> String {
    let mut text = String::new();
    let mut letters = glob.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' | '?' => text.push(UNKNOWN),
            '[' if letters.clone().any(|letter| letter == ']') => {
                letters.by_ref().find(|letter| *letter == ']');
                text.push(UNKNOWN);
            }
            _ => text.push(letter),
        }
    }
    text
}

/// The texts of a command that patterns are matched with: its words, and without what hides them.
fn forms(command: &Command) -> Vec<String> {
    let mut forms = vec![command.plain(), command.rendered()];
    let Some(program) = command.program() else { return forms };
    let name = program.rsplit('/').next().unwrap_or(program);
    let words: Vec<&str> = command.words.iter().skip(1).map(|word| word.text.as_str()).collect();
    if name != program {
        forms.push(std::iter::once(name).chain(words.iter().copied()).collect::<Vec<_>>().join(" "));
    }
    if name == "git" {
        forms.push(std::iter::once(name).chain(git_command(&words).iter().copied()).collect::<Vec<_>>().join(" "));
    }
    forms
}

/// git's words from its command on.
fn git_command<'w>(mut words: &'w [&'w str]) -> &'w [&'w str] {
    const VALUED: [&str; 6] = ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];
    while let Some((first, rest)) = words.split_first().filter(|(first, _)| first.starts_with('-')) {
        words = if VALUED.contains(first) { rest.get(1..).unwrap_or_default() } else { rest };
    }
    words
}

/// Rules that allow this tool's calls by a pattern.
fn patterns<'a>(allowing: &Allowing<'a>) -> Vec<Pattern<'a>> {
    let is_about = |rule: &&Rule| rule.action == RuleAction::Allow && names_tool(&rule.tool, &allowing.spec.name);
    let read = |rule: &'a Rule| {
        let text = rule.pattern.as_deref()?.trim();
        Some(Pattern { rule, text, reading: wharf_shell::read(text) })
    };
    allowing.rules.iter().filter(is_about).filter_map(read).collect()
}

fn covers(pattern: &str, command: &Command) -> bool {
    if command.words.is_empty() {
        return false;
    }
    // As it was written, too: a pattern may have quotes of its own.
    let is_bare = command.redirects.is_empty() && command.assignments.is_empty() && !command.has_document;
    is_match_by_words(pattern, &command.rendered()) || (is_bare && is_match_by_words(pattern, &command.raw))
}

/// The commands that the one at a place starts, directly or through others.
fn descendants(reading: &Reading, at: usize) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for (place, command) in reading.commands.iter().enumerate() {
        if command.via.is_some_and(|via| via == at || found.contains(&via)) {
            found.push(place);
        }
    }
    found
}

/// Some rule keeps files from being read, by their names.
fn keeps_files(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| {
        rule.action != RuleAction::Allow
            && rule.pattern.is_some()
            && [READS, "grep", "glob", "list_dir"].into_iter().any(|tool| names_tool(&rule.tool, tool))
    })
}
