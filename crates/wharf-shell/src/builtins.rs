//! What a command changes for the commands after it: the directory, variables, what names mean.

use crate::UNKNOWN;
use crate::reader::{Found, Reader, Step, read_inner};
use crate::reading::{Command, Directories, Word, Wrapper};
use crate::wrappers::{Started, started};

/// Names whose values decide what programs run, or what a shell makes of a text. A star stands for the rest of the name.
const POWERFUL: [&str; 48] = [
    "PATH",
    "IFS",
    "BASH_ENV",
    "ENV",
    "SHELL",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH_*",
    "PS4",
    "CDPATH",
    "GLOBIGNORE",
    "PROMPT_COMMAND",
    "EXECIGNORE",
    "HOME",
    "XDG_*",
    "POSIXLY_CORRECT",
    "LD_*",
    "DYLD_*",
    "GIT_*",
    "*PAGER",
    "*EDITOR",
    "VISUAL",
    "BROWSER",
    "LESS*",
    "MANOPT",
    "PYTHON*",
    "NODE_*",
    "NPM_CONFIG_*",
    "PERL*",
    "RUBY*",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "GEM_*",
    "BUNDLE_*",
    "CARGO_*",
    "RUSTC*",
    "RUSTUP_*",
    "RUSTFLAGS",
    "RIPGREP_CONFIG_PATH",
    "GREP_OPTIONS",
    "MAKEFLAGS",
    "*_WRAPPER",
    "CC",
    "CXX",
    "TMPDIR",
    "TAR_OPTIONS",
    "*PROXY",
];

/// Builtins after which no command is what it seems to be, whatever their words.
const CONFUSING: [&str; 7] = ["unalias", "enable", "shopt", "source", ".", "caller", "logout"];

/// The same, with commands in their words, or other names for commands.
const RENAMING: [&str; 9] = ["alias", "hash", "trap", "bind", "complete", "compgen", "fc", "history", "coproc"];

/// Options of `read` that have a value of their own.
const READ_VALUED: [&str; 6] = ["-d", "-n", "-N", "-p", "-t", "-u"];

impl Reader<'_, '_> {
    /// A simple command is complete.
    pub(crate) fn finish(&mut self, command: Command) -> Step<()> {
        self.found.complete(command)
    }
}

impl Found {
    /// Nothing after it is known where one of those names is set.
    pub(crate) fn sets_variable(&mut self, name: &str) {
        let upper = name.to_ascii_uppercase();
        let is_named = |pattern: &&str| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
            (Some(start), _) => upper.starts_with(start),
            (_, Some(end)) => upper.ends_with(end),
            _ => upper == **pattern,
        };
        if POWERFUL.iter().any(is_named) {
            self.distrust(format!("{name} is set, which changes what commands do"));
        }
    }

    fn complete(&mut self, mut command: Command) -> Step<()> {
        self.step()?;
        if command.words.is_empty() {
            return self.push(command).map(drop);
        }
        let Some(program) = command.program().map(str::to_owned) else {
            command.doubt = Some("which program it starts is not known".to_owned());
            return self.push(command).map(drop);
        };
        if program.is_empty() || program.contains(UNKNOWN) {
            command.doubt = Some("it starts no program".to_owned());
        }
        let words = command.words.clone();
        let inherited = Command {
            raw: String::new(),
            words: Vec::new(),
            redirects: Vec::new(),
            assignments: Vec::new(),
            ..command.clone()
        };
        let started = started(&program, &words);
        command.wrapper = match &started {
            Started::Nothing | Started::Unclear { .. } => Wrapper::None,
            Started::Commands { is_plain: true, .. } | Started::Script { is_plain: true, .. } => Wrapper::Plain,
            Started::Commands { .. } | Started::Script { .. } => Wrapper::Other,
        };
        if let Started::Unclear { why, hides } = &started {
            command.doubt.get_or_insert_with(|| (*why).to_owned());
            command.hides = *hides;
        }
        self.changes(&program, &words);
        let at = self.push(command)?;
        match started {
            Started::Nothing | Started::Unclear { .. } => Ok(()),
            Started::Commands { commands, .. } => {
                // A program that is named like a builtin changes nothing here.
                let directories = self.directories.clone();
                let stays = matches!(program.as_str(), "builtin" | "command");
                for (assignments, words) in commands {
                    for set in &assignments {
                        self.sets_variable(&set.name);
                    }
                    let inner = Command { words, assignments, via: Some(at), ..inherited.clone() };
                    if self.depth >= crate::DEPTH_MAX {
                        return Err("it is nested too deeply");
                    }
                    self.depth += 1;
                    self.complete(inner)?;
                    self.depth -= 1;
                }
                if !stays {
                    self.directories = directories;
                }
                Ok(())
            }
            Started::Script { script, stays, only_posix, .. } => {
                let (directories, uses_bash) = (self.directories.clone(), std::mem::take(&mut self.uses_bash));
                read_inner(&script, self, Some(at))?;
                if only_posix && self.uses_bash {
                    return Err("another shell than bash reads this differently");
                }
                self.uses_bash |= uses_bash;
                if !stays {
                    self.directories = directories;
                }
                Ok(())
            }
        }
    }

    /// What the commands after it find changed.
    fn changes(&mut self, program: &str, words: &[Word]) {
        let operands = &words[1..];
        let has_index = || operands.iter().any(|word| word.text.contains('[') || word.text.contains(UNKNOWN));
        match program {
            "cd" => self.enters(operands),
            "pushd" | "popd" => {
                self.moves = true;
                self.directories = Directories::Unknown;
            }
            "set" => {
                let is_usual = |word: &Word| {
                    word.known().is_some_and(|text| {
                        matches!(text, "pipefail" | "errexit" | "nounset" | "xtrace")
                            || (text.starts_with(['-', '+'])
                                && text.len() > 1
                                && text[1..].bytes().all(|flag| b"euxo".contains(&flag)))
                    })
                };
                if !operands.iter().all(is_usual) {
                    self.distrust("`set` changes how the shell reads");
                }
            }
            "export" | "readonly" | "local" | "declare" | "typeset" => self.declares(operands),
            "read" | "unset" | "getopts" | "wait" | "mapfile" | "readarray" => {
                if has_index() {
                    self.misses(format!("`{program}` evaluates an index"));
                }
                self.fills(program, operands);
            }
            "printf" if operands.first().is_some_and(sets_by_format) => {
                self.misses("`printf` sets a variable, and evaluates its index");
            }
            "test" | "[" if operands.iter().any(|word| matches!(word.text.as_str(), "-v" | "-R")) => {
                self.misses("a test evaluates an index");
            }
            "let" => self.misses("`let` evaluates its words"),
            "exec" if operands.iter().all(|word| word.text.starts_with('-')) => {}
            _ if RENAMING.contains(&program) => self.misses(format!("`{program}` changes what commands are")),
            _ if CONFUSING.contains(&program) => self.distrust(format!("`{program}` changes what commands are")),
            _ => {}
        }
    }

    /// Variables get values that are known only when it runs.
    fn fills(&mut self, program: &str, operands: &[Word]) {
        for name in ["REPLY", "MAPFILE", "OPTARG", "OPTIND"] {
            self.sets(name, false);
        }
        let mut operands = operands.iter();
        while let Some(word) = operands.next() {
            let text = word.text.as_str();
            if !text.starts_with('-') {
                self.sets(text, false);
                self.sets_variable(text);
                continue;
            }
            let harmless = match program {
                "read" => "rs",
                "unset" => "vf",
                "wait" => "nf",
                "mapfile" | "readarray" => "t",
                _ => "",
            };
            let is_valued = program == "read" && READ_VALUED.contains(&text);
            if is_valued {
                operands.next();
            } else if word.known().is_none() || !text[1..].chars().all(|letter| harmless.contains(letter)) {
                // The value of an option may be the name of a variable, or what is evaluated.
                self.misses(format!("`{program}` has options that are not read"));
            }
        }
    }

    fn enters(&mut self, operands: &[Word]) {
        self.moves = true;
        let mut operands = operands.iter().filter(|word| !matches!(word.text.as_str(), "-L" | "-P" | "--" | "-e"));
        self.directories = match (operands.next(), operands.next()) {
            (None, _) => self.directories.enter("~"),
            (Some(path), None) if path.text != "-" && !path.text.starts_with('-') && is_path(path) => {
                self.directories.enter(&path.text)
            }
            _ => Directories::Unknown,
        };
    }

    fn declares(&mut self, operands: &[Word]) {
        for word in operands {
            let name = word.text.split(['=', '+']).next().unwrap_or_default();
            if word.text.starts_with('-') {
                let is_usual = word.known().is_some_and(|text| text[1..].bytes().all(|flag| b"rxgaAp".contains(&flag)));
                if !is_usual {
                    self.misses("a declaration evaluates its values");
                }
                continue;
            }
            if name.contains('[') || name.contains(UNKNOWN) || name.is_empty() {
                self.misses("a declaration names what is not known");
                continue;
            }
            let value = word.text.split_once('=').map_or("", |(_, value)| value);
            // Of an array, an index in it is evaluated.
            if value.starts_with('(') {
                self.misses("a declaration evaluates its values");
            }
            self.sets(name, !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()));
            self.sets_variable(name);
        }
    }
}

/// A format that puts something into a variable: with `-v`, or by `%n`.
fn sets_by_format(format: &Word) -> bool {
    let Some(text) = format.known() else { return true };
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('%') {
        let letter = behind.trim_start_matches(|letter: char| "#-+ '0123456789.*hlLjzt$".contains(letter));
        if letter.starts_with('n') {
            return true;
        }
        rest = behind.strip_prefix('%').unwrap_or(behind);
    }
    text.starts_with('-')
}

/// A path that is known, also one that begins with the home directory.
fn is_path(word: &Word) -> bool {
    word.known().is_some_and(|text| !text.is_empty())
        || (word.kind == crate::WordKind::Glob && word.text.starts_with('~') && !word.text.contains(['*', '?', '[']))
}
