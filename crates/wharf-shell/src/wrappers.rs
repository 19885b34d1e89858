//! Programs that start the command which stands in their words.

use crate::reading::{Assignment, Hides, Word};

/// What a command starts beside itself.
pub(crate) enum Started {
    Nothing,
    /// Each with the assignments before it.
    Commands {
        commands: Vec<(Vec<Assignment>, Vec<Word>)>,
        is_plain: bool,
    },
    Script {
        script: String,
        is_plain: bool,
        /// It runs in this very shell, and so leaves its directory behind.
        stays: bool,
        /// The shell that runs it need not be bash.
        only_posix: bool,
    },
    /// Something, in a way that is not read.
    Unclear {
        why: &'static str,
        hides: Hides,
    },
}

fn in_words(why: &'static str) -> Started {
    Started::Unclear { why, hides: Hides::InWords }
}

fn elsewhere(why: &'static str) -> Started {
    Started::Unclear { why, hides: Hides::Elsewhere }
}

/// How a wrapper's own words look before the command begins.
struct Form {
    name: &'static str,
    flags: &'static [&'static str],
    /// Options with a value behind them.
    valued: &'static [&'static str],
    /// Options whose value is a part of them.
    prefixes: &'static [&'static str],
    /// Operands before the command.
    operands: usize,
    is_plain: bool,
}

const FORMS: &[Form] = &[
    Form {
        name: "env",
        flags: &["-", "-i", "--ignore-environment"],
        valued: &["-u", "--unset"],
        prefixes: &["--unset="],
        operands: 0,
        is_plain: true,
    },
    Form {
        name: "nice",
        flags: &[],
        valued: &["-n", "--adjustment"],
        prefixes: &["-n", "--adjustment="],
        operands: 0,
        is_plain: true,
    },
    Form { name: "nohup", flags: &[], valued: &[], prefixes: &[], operands: 0, is_plain: false },
    Form {
        name: "timeout",
        flags: &["-v", "--verbose", "-f", "--foreground", "-p", "--preserve-status"],
        valued: &["-k", "--kill-after", "-s", "--signal"],
        prefixes: &["--kill-after=", "--signal=", "-k", "-s"],
        operands: 1,
        is_plain: true,
    },
    Form { name: "time", flags: &["-p", "-v"], valued: &[], prefixes: &[], operands: 0, is_plain: true },
    Form {
        name: "stdbuf",
        flags: &[],
        valued: &["-i", "-o", "-e"],
        prefixes: &["-i", "-o", "-e", "--input=", "--output=", "--error="],
        operands: 0,
        is_plain: true,
    },
    Form {
        name: "setsid",
        flags: &["-w", "-f", "-c", "--wait", "--fork", "--ctty"],
        valued: &[],
        prefixes: &[],
        operands: 0,
        is_plain: false,
    },
    Form {
        name: "ionice",
        flags: &["-t"],
        valued: &["-c", "-n"],
        prefixes: &["-c", "-n"],
        operands: 0,
        is_plain: true,
    },
    Form { name: "taskset", flags: &["-c", "-a"], valued: &[], prefixes: &[], operands: 1, is_plain: true },
    Form { name: "builtin", flags: &[], valued: &[], prefixes: &[], operands: 0, is_plain: true },
    Form { name: "exec", flags: &["-c", "-l", "-cl"], valued: &["-a"], prefixes: &[], operands: 0, is_plain: true },
    Form {
        name: "sudo",
        flags: &["-E", "-H", "-n", "-S", "-k", "-A", "-b", "-P"],
        valued: &["-u", "-g", "-p", "-C", "-r", "-t", "-U", "--user", "--group"],
        prefixes: &["--user=", "--group="],
        operands: 0,
        is_plain: false,
    },
    Form { name: "doas", flags: &["-n"], valued: &["-u"], prefixes: &[], operands: 0, is_plain: false },
    Form { name: "busybox", flags: &[], valued: &[], prefixes: &[], operands: 0, is_plain: false },
    Form { name: "toybox", flags: &[], valued: &[], prefixes: &[], operands: 0, is_plain: false },
    Form {
        name: "chroot",
        flags: &[],
        valued: &[],
        prefixes: &["--userspec=", "--groups="],
        operands: 1,
        is_plain: false,
    },
    Form {
        name: "flock",
        flags: &["-n", "-x", "-s", "-e"],
        valued: &["-w", "-E"],
        prefixes: &[],
        operands: 1,
        is_plain: false,
    },
    Form {
        name: "strace",
        flags: &["-f", "-ff"],
        valued: &["-e", "-o", "-s"],
        prefixes: &[],
        operands: 0,
        is_plain: false,
    },
    Form {
        name: "unshare",
        flags: &["-r", "-m", "-n", "-p", "-u", "-i", "-U", "-f"],
        valued: &[],
        prefixes: &["--"],
        operands: 0,
        is_plain: false,
    },
];

const XARGS: Form = Form {
    name: "xargs",
    flags: &["-0", "-r", "-t", "-p", "-x", "--null", "--no-run-if-empty", "--verbose"],
    valued: &["-n", "-I", "-L", "-P", "-d", "-s", "-a", "-E", "--max-args", "--max-procs", "--delimiter", "--arg-file"],
    prefixes: &["-n", "-I", "-L", "-P", "-d", "-s", "--max-args=", "--max-procs=", "--delimiter=", "-0", "-i"],
    operands: 0,
    is_plain: false,
};

/// Programs that start others in ways that are not read here.
const STARTERS: [&str; 18] = [
    "su",
    "runuser",
    "parallel",
    "script",
    "ssh",
    "nsenter",
    "systemd-run",
    "setpriv",
    "xvfb-run",
    "unbuffer",
    "zsh",
    "fish",
    "csh",
    "tcsh",
    "watch",
    "bwrap",
    "firejail",
    "pkexec",
];

pub(crate) fn started(program: &str, words: &[Word]) -> Started {
    let name = program.rsplit('/').next().unwrap_or(program);
    let operands = &words[1..];
    if let Some(form) = FORMS.iter().find(|form| form.name == name) {
        return behind(form, operands);
    }
    match name {
        "command" => match operands.first().map(|word| word.text.as_str()) {
            Some("-v" | "-V") => Started::Nothing,
            Some("-p") => one(&operands[1..], true),
            _ => one(operands, true),
        },
        "xargs" => through_xargs(operands),
        "find" => with_exec(operands, &["-exec", "-execdir", "-ok", "-okdir"]),
        "fd" | "fdfind" => with_exec(operands, &["-x", "-X", "--exec", "--exec-batch"]),
        "sh" | "bash" | "dash" | "ksh" | "ash" | "rbash" => shell(name, operands),
        "eval" => match all_known(operands) {
            Some(script) => Started::Script { script, is_plain: true, stays: true, only_posix: false },
            None => in_words("what `eval` evaluates is not known"),
        },
        "git" => by_git(operands),
        _ if STARTERS.contains(&name) => in_words("it starts another command, in a way that is not read"),
        _ => Started::Nothing,
    }
}

fn one(words: &[Word], is_plain: bool) -> Started {
    if words.is_empty() {
        return Started::Nothing;
    }
    if words[0].text.starts_with('-') {
        return in_words("it has options that are not read");
    }
    Started::Commands { commands: vec![(Vec::new(), words.to_vec())], is_plain }
}

/// The place behind a wrapper's own options.
fn options_end(form: &Form, words: &[Word]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let is_option = word.text.starts_with('-') && !(word.text.len() == 1 && form.name != "env");
        if !is_option && word.kind == crate::WordKind::Literal {
            break;
        }
        let text = word.known();
        at += match text {
            Some("--") => return Some(at + 1),
            Some(text) if form.valued.contains(&text) => 2,
            Some(text) if form.flags.contains(&text) => 1,
            Some(text) if form.prefixes.iter().any(|prefix| text.starts_with(prefix) && text.len() > prefix.len()) => 1,
            // `nice -10`.
            Some(text) if form.name == "nice" && text[1..].bytes().all(|byte| byte.is_ascii_digit()) => 1,
            None if !is_option => break,
            _ => return None,
        };
    }
    // A value that is not known may be none, or several words.
    let is_clear = words.iter().take(at).all(|word| word.kind == crate::WordKind::Literal);
    (at <= words.len() && is_clear).then_some(at)
}

fn behind(form: &Form, operands: &[Word]) -> Started {
    let Some(mut at) = options_end(form, operands) else {
        return in_words("it starts a command, and has options that are not read");
    };
    let own = operands.get(at..at + form.operands);
    if own.is_some_and(|own| own.iter().any(|word| word.splits)) {
        return in_words("it starts a command that is not known");
    }
    at += form.operands;
    let mut assignments = Vec::new();
    if matches!(form.name, "env" | "sudo" | "doas") {
        while let Some((name, value)) = operands.get(at).and_then(|word| word.text.split_once('=')) {
            if operands[at].kind == crate::WordKind::Unknown && name.contains(crate::UNKNOWN) {
                return in_words("it sets what is not known");
            }
            let value = Word { text: value.to_owned(), ..operands[at].clone() };
            assignments.push(Assignment { name: name.to_owned(), value });
            at += 1;
        }
    }
    let inner = operands.get(at..).unwrap_or_default();
    match inner.first() {
        None => Started::Nothing,
        Some(word) if word.text.starts_with('-') => in_words("it has options that are not read"),
        Some(_) => Started::Commands { commands: vec![(assignments, inner.to_vec())], is_plain: form.is_plain },
    }
}

fn through_xargs(operands: &[Word]) -> Started {
    let Some(at) = options_end(&XARGS, operands) else {
        return in_words("it starts a command, and has options that are not read");
    };
    let replaced = operands[..at].iter().enumerate().find_map(|(place, word)| match word.text.strip_prefix("-I") {
        Some("") => operands.get(place + 1).map(|next| next.text.clone()),
        Some(mark) => Some(mark.to_owned()),
        None => word.text.starts_with("-i").then(|| "{}".to_owned()),
    });
    let mut inner = operands[at..].to_vec();
    if inner.is_empty() {
        return Started::Nothing;
    }
    match replaced {
        Some(mark) if !mark.is_empty() => replace(&mut inner, &mark),
        _ => inner.push(Word::unknown()),
    }
    Started::Commands { commands: vec![(Vec::new(), inner)], is_plain: false }
}

/// Words with the mark are known only when the command runs.
fn replace(words: &mut [Word], mark: &str) {
    for word in words.iter_mut().filter(|word| word.text.contains(mark)) {
        *word = Word { splits: false, ..Word::unknown() };
    }
}

fn with_exec(operands: &[Word], marks: &[&str]) -> Started {
    let mut commands = Vec::new();
    let mut rest = operands;
    while let Some(at) = rest.iter().position(|word| marks.contains(&word.text.as_str())) {
        let behind = &rest[at + 1..];
        let end = behind.iter().position(|word| word.text == ";" || (word.text == "+")).unwrap_or(behind.len());
        let mut inner = behind[..end].to_vec();
        if inner.is_empty() {
            return in_words("it starts a command that is not read");
        }
        replace(&mut inner, "{}");
        if marks[0] == "-x" && !behind[..end].iter().any(|word| word.text.contains('{')) {
            inner.push(Word::unknown());
        }
        commands.push((Vec::new(), inner));
        rest = &behind[end..];
    }
    if commands.is_empty() {
        let is_unclear = operands.iter().any(|word| word.kind == crate::WordKind::Unknown && word.splits);
        return if is_unclear {
            in_words("its options are not known, and may start a command")
        } else {
            Started::Nothing
        };
    }
    Started::Commands { commands, is_plain: false }
}

fn shell(name: &str, operands: &[Word]) -> Started {
    for (at, word) in operands.iter().enumerate() {
        let Some(text) = word.known() else { return in_words("what the shell runs is not known") };
        if text == "-" || text == "--" {
            return in_words("the shell has options that are not read");
        }
        // A file of commands.
        if !text.starts_with(['-', '+']) {
            return Started::Nothing;
        }
        let flags = text.trim_start_matches(['-', '+']);
        if text.starts_with("--") || !flags.bytes().all(|flag| b"ceuxl".contains(&flag)) {
            let why = "the shell has options that are not read";
            let has_file = operands.iter().any(|word| !word.text.starts_with(['-', '+']));
            return if has_file { in_words(why) } else { elsewhere(why) };
        }
        if flags.contains('c') {
            return match operands.get(at + 1).and_then(Word::known) {
                Some(script) if !script.starts_with('-') => Started::Script {
                    script: script.to_owned(),
                    // A login shell reads start-up files.
                    is_plain: !flags.contains('l'),
                    stays: false,
                    only_posix: !matches!(name, "bash" | "rbash"),
                },
                _ => in_words("what the shell runs is not known"),
            };
        }
    }
    elsewhere("the shell runs what it is given as input")
}

fn by_git(operands: &[Word]) -> Started {
    let texts: Vec<&str> = operands.iter().map(|word| word.text.as_str()).collect();
    let is_alias = |text: &str| text.to_ascii_lowercase().starts_with("alias.");
    if texts.windows(2).any(|pair| matches!(pair[0], "-c" | "--config-env") && is_alias(pair[1])) {
        return in_words("git gets an alias, which may start a command");
    }
    let after = |words: [&str; 2]| texts.windows(2).position(|pair| pair == words).map(|at| at + 2);
    if let Some(at) = after(["bisect", "run"]) {
        return one(&operands[at..], false);
    }
    if let Some(at) = after(["submodule", "foreach"]) {
        let at = if texts.get(at) == Some(&"--recursive") { at + 1 } else { at };
        return match all_known(&operands[at..]) {
            Some(script) if !script.is_empty() => {
                Started::Script { script, is_plain: false, stays: false, only_posix: true }
            }
            _ => in_words("it starts a command that is not known"),
        };
    }
    if texts.contains(&"rebase")
        && let Some(at) = texts.iter().position(|text| matches!(*text, "-x" | "--exec") || text.starts_with("--exec="))
    {
        let script = match texts[at].strip_prefix("--exec=") {
            Some(_) => operands[at].known().and_then(|text| text.strip_prefix("--exec=")),
            None => operands.get(at + 1).and_then(Word::known),
        };
        return match script {
            Some(script) => {
                Started::Script { script: script.to_owned(), is_plain: false, stays: false, only_posix: true }
            }
            None => in_words("it starts a command that is not known"),
        };
    }
    Started::Nothing
}

/// The words as one text, if all of them are known.
fn all_known(words: &[Word]) -> Option<String> {
    words.iter().map(Word::known).collect::<Option<Vec<_>>>().map(|words| words.join(" "))
}
