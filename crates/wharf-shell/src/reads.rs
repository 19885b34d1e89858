//! The table of commands that only read: programs, and of each the forms of its words that neither write, nor start a program, nor
//! reach the network.
//!
//! A list of what is known to be harmless, not of what is known to be harmful: an option that is not named here, is shortened, or is not
//! known before it runs makes a command something else. What a program is called is not checked here, nor where its paths lead.

mod find;
mod sed;
mod tests_of_files;

use crate::reading::{Command, Word, WordKind};

/// What a command that only reads would read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Files and directories, as they were written.
    pub paths: Vec<String>,
    /// Everything below the directories among them, or below its own where it names none.
    pub is_deep: bool,
    /// Of a directory it would read what links in it lead to.
    pub follows: bool,
    /// A builtin of every shell: no program is started.
    pub is_builtin: bool,
}

/// What the words behind the options are.
#[derive(Clone, Copy, PartialEq)]
enum Operands {
    Paths,
    OnePath,
    /// None of them is opened.
    Texts,
    /// The first is a text, the others are paths.
    TextThenPaths,
    None,
}

struct Form {
    names: &'static [&'static str],
    /// Letters of options without a value.
    flags: &'static str,
    /// Letters of options with one.
    valued: &'static str,
    /// Long options, with an `=` at the end where they have a value.
    long: &'static [&'static str],
    operands: Operands,
    /// Letters or long options that make it read what lies below; `*`: it always does.
    deep: &'static [&'static str],
}

const fn form(names: &'static [&'static str], flags: &'static str, valued: &'static str, operands: Operands) -> Form {
    Form { names, flags, valued, long: &[], operands, deep: &[] }
}

const FORMS: &[Form] = &[
    Form { long: &["--number", "--show-all"], ..form(&["cat"], "AbeEnstTuv", "", Operands::Paths) },
    form(&["nl"], "p", "bdfhilnsvw", Operands::Paths),
    form(&["tac"], "br", "s", Operands::Paths),
    form(&["rev"], "", "", Operands::Paths),
    Form { long: &["--delimiter=", "--fields=", "--complement"], ..form(&["cut"], "nsz", "bcdf", Operands::Paths) },
    form(&["paste"], "sz", "d", Operands::Paths),
    form(&["fold"], "bs", "w", Operands::Paths),
    form(&["expand", "unexpand"], "ai", "t", Operands::Paths),
    form(&["comm"], "123z", "", Operands::Paths),
    form(&["join"], "iz", "12aejtov", Operands::Paths),
    Form { long: &["--silent", "--quiet"], ..form(&["cmp"], "bls", "in", Operands::Paths) },
    form(&["od"], "abcdfilosvx", "AjNt", Operands::Paths),
    form(&["strings"], "aw", "nte", Operands::Paths),
    form(&["base64"], "di", "w", Operands::Paths),
    form(&["hexdump"], "bcCdovx", "ns", Operands::Paths),
    form(&["xxd"], "abeEipu", "cglos", Operands::OnePath),
    form(&["uniq"], "cdDiuz", "fsw", Operands::OnePath),
    form(&["tr"], "cCdst", "", Operands::Texts),
    Form {
        long: &["--tag"],
        ..form(
            &["md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "b2sum", "cksum", "sum"],
            "bt",
            "",
            Operands::Paths,
        )
    },
    Form {
        long: &["--lines=", "--bytes=", "--quiet", "--verbose"],
        ..form(&["head"], "qvz0123456789", "nc", Operands::Paths)
    },
    Form {
        long: &["--lines=", "--bytes=", "--quiet", "--verbose"],
        ..form(&["tail"], "qvz0123456789", "nc", Operands::Paths)
    },
    Form { long: &["--lines", "--words", "--bytes", "--chars"], ..form(&["wc"], "clLmw", "", Operands::Paths) },
    Form {
        long: &["--reverse", "--unique", "--numeric-sort", "--human-numeric-sort", "--key=", "--field-separator="],
        ..form(&["sort"], "bcCdfghiMnrRsuVz", "kt", Operands::Paths)
    },
    form(&["basename"], "az", "s", Operands::Texts),
    form(&["dirname"], "z", "", Operands::Texts),
    form(&["realpath"], "ezmLPsq", "", Operands::Paths),
    form(&["readlink"], "efmnqsvz", "", Operands::Paths),
    form(&["pwd"], "LP", "", Operands::None),
    form(&["seq"], "w", "fs", Operands::Texts),
    form(&["uname"], "amnoprsv", "", Operands::None),
    form(&["whoami", "nproc", "arch"], "", "", Operands::None),
    form(&["id"], "gGnruz", "", Operands::Texts),
    Form { long: &["--format=", "--printf="], ..form(&["stat"], "fLt", "c", Operands::Paths) },
    Form {
        long: &[
            "--all",
            "--almost-all",
            "--color",
            "--color=",
            "--human-readable",
            "--reverse",
            "--recursive",
            "--sort=",
            "--time-style=",
            "--full-time",
            "--group-directories-first",
            "--directory",
            "--size",
        ],
        deep: &["R", "--recursive"],
        ..form(&["ls"], "1aAbBcCdfFgGhiklmnNopqQrRsStuUvxXZ", "Iw", Operands::Paths)
    },
    Form {
        long: &["--summarize", "--human-readable", "--max-depth=", "--apparent-size", "--all", "--total", "--exclude="],
        deep: &["*"],
        ..form(&["du"], "0abchkmsSx", "dB", Operands::Paths)
    },
    Form { long: &["--human-readable"], ..form(&["df"], "aHhiklPTm", "Bt", Operands::Paths) },
    Form {
        long: &["--noreport", "--dirsfirst", "--gitignore", "--prune", "--filelimit="],
        deep: &["*"],
        ..form(&["tree"], "adfiCDFghnpQrstuv", "LPI", Operands::Paths)
    },
    Form {
        long: &["--brief", "--mime", "--mime-type", "--mime-encoding"],
        ..form(&["file"], "bchikNr", "F", Operands::Paths)
    },
    form(&["which"], "a", "", Operands::Texts),
    Form {
        long: &[
            "--color",
            "--color=",
            "--colour=",
            "--include=",
            "--exclude=",
            "--exclude-dir=",
            "--ignore-case",
            "--line-number",
            "--recursive",
            "--files-with-matches",
            "--files-without-match",
            "--count",
            "--only-matching",
            "--word-regexp",
            "--line-regexp",
            "--invert-match",
            "--extended-regexp",
            "--fixed-strings",
            "--perl-regexp",
            "--context=",
            "--after-context=",
            "--before-context=",
            "--max-count=",
            "--no-filename",
            "--with-filename",
            "--quiet",
            "--silent",
            "--null",
            "--no-messages",
            "--text",
            "--regexp=",
            "--byte-offset",
        ],
        deep: &["r", "--recursive"],
        ..form(&["grep", "egrep", "fgrep"], "abcEFGhHiIlLnoPqrsvwxyzZ0123456789", "ABCme", Operands::TextThenPaths)
    },
    Form {
        long: &[
            "--no-config",
            "--color=",
            "--ignore-case",
            "--smart-case",
            "--case-sensitive",
            "--line-number",
            "--no-line-number",
            "--files",
            "--files-with-matches",
            "--files-without-match",
            "--count",
            "--count-matches",
            "--only-matching",
            "--word-regexp",
            "--line-regexp",
            "--invert-match",
            "--fixed-strings",
            "--context=",
            "--after-context=",
            "--before-context=",
            "--max-count=",
            "--max-depth=",
            "--no-filename",
            "--with-filename",
            "--no-heading",
            "--heading",
            "--quiet",
            "--json",
            "--glob=",
            "--iglob=",
            "--type=",
            "--type-not=",
            "--multiline",
            "--pcre2",
            "--sort=",
            "--hidden",
            "--no-ignore",
            "--no-messages",
            "--stats",
            "--text",
            "--trim",
            "--type-list",
            "--vimgrep",
            "--column",
            "--regexp=",
            "--null",
        ],
        deep: &["*"],
        ..form(&["rg"], "0abcFhHiIlnNopPqsSuUvVwx.", "ABCegjmMtTdr", Operands::TextThenPaths)
    },
    Form {
        long: &[
            "--hidden",
            "--no-ignore",
            "--type=",
            "--extension=",
            "--max-depth=",
            "--glob",
            "--absolute-path",
            "--print0",
            "--exclude=",
            "--color=",
            "--full-path",
            "--ignore-case",
            "--case-sensitive",
        ],
        deep: &["*"],
        ..form(&["fd", "fdfind"], "0HIagipsu1", "deEtcS", Operands::TextThenPaths)
    },
    Form {
        long: &[
            "--unified",
            "--unified=",
            "--brief",
            "--recursive",
            "--side-by-side",
            "--ignore-all-space",
            "--ignore-case",
            "--color",
            "--color=",
            "--stat",
            "--new-file",
            "--exclude=",
            "--strip-trailing-cr",
        ],
        deep: &["r", "--recursive"],
        ..form(&["diff"], "abBcdEeiNnpqrstTuwyZ", "CUWx", Operands::Paths)
    },
    Form {
        long: &[
            "--raw-output",
            "--compact-output",
            "--null-input",
            "--slurp",
            "--exit-status",
            "--sort-keys",
            "--tab",
            "--join-output",
            "--monochrome-output",
        ],
        ..form(&["jq"], "aceCjMnrsS", "", Operands::TextThenPaths)
    },
    Form {
        long: &["--utc", "--date=", "--iso-8601", "--iso-8601=", "--rfc-3339="],
        ..form(&["date"], "uR", "d", Operands::Texts)
    },
    form(&["sleep"], "", "", Operands::Texts),
];

/// Builtins that change nothing outside the shell. What they change in it, the reader has seen.
const BUILTINS: [&str; 24] = [
    ":", "true", "false", "cd", "pwd", "echo", "printf", "exit", "return", "break", "continue", "shift", "set",
    "export", "readonly", "local", "declare", "typeset", "read", "wait", "umask", "type", "unset", "times",
];

/// Variables that a builtin of the table may put where programs see them.
pub const HARMLESS: [&str; 17] = [
    "CI",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "TERM",
    "COLUMNS",
    "LINES",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "TZ",
    "DEBUG",
    "VERBOSE",
];

/// What the command would read, if it only reads. Its redirections, assignments and directory are for the caller to judge.
#[must_use]
pub fn of(command: &Command) -> Option<Reads> {
    if command.doubt.is_some() {
        return None;
    }
    let Some((first, words)) = command.words.split_first() else {
        // Only redirections and assignments.
        return Some(Reads { is_builtin: true, ..Reads::default() });
    };
    let program = first.known()?;
    match program {
        _ if BUILTINS.contains(&program) => builtin(program, words),
        "command" if command.wrapper == crate::Wrapper::None => {
            (words.len() == 2 && all_known(words)).then(|| Reads { is_builtin: true, ..Reads::default() })
        }
        "test" | "[" => tests_of_files::reads(program, words),
        "find" => find::reads(words),
        "sed" => sed::reads(words),
        _ => by_form(FORMS.iter().find(|form| form.names.contains(&program))?, words),
    }
}

fn all_known(words: &[Word]) -> bool {
    words.iter().all(|word| word.kind == WordKind::Literal)
}

fn builtin(program: &str, words: &[Word]) -> Option<Reads> {
    if !all_known(words) && program != "cd" {
        return None;
    }
    let reads = |paths: Vec<String>| Some(Reads { paths, is_builtin: true, ..Reads::default() });
    match program {
        "printf" => words
            .first()
            .and_then(Word::known)
            .filter(|format| !format.starts_with('-'))
            .and_then(|_| reads(Vec::new())),
        "cd" => {
            let is_known = |word: &Word| {
                word.kind == WordKind::Literal || (word.text.starts_with('~') && word.kind == WordKind::Glob)
            };
            let paths: Vec<String> =
                words.iter().filter(|word| !word.text.starts_with('-')).map(|word| word.text.clone()).collect();
            (words.iter().all(is_known) && !words.iter().any(|word| word.text == "-") && paths.len() <= 1)
                .then_some(())?;
            reads(if paths.is_empty() { vec!["~".to_owned()] } else { paths })
        }
        "export" | "readonly" | "declare" | "typeset" => {
            let is_harmless = |word: &Word| {
                let name = word.text.split('=').next().unwrap_or_default();
                !word.splits && (HARMLESS.contains(&name) || (word.text.starts_with('-') && program != "export"))
            };
            words.iter().all(is_harmless).then_some(()).and_then(|()| reads(Vec::new()))
        }
        _ => reads(Vec::new()),
    }
}

/// Programs that take some words of letters in a way of their own.
fn is_plain_word(program: &str, letters: &str) -> bool {
    let is_number = letters.bytes().all(|byte| byte.is_ascii_digit());
    match program {
        // `-5c` is `-c 5`, and no value follows.
        "head" | "tail" => is_number || !letters.starts_with(|letter: char| letter.is_ascii_digit()),
        // It looks at the first letter alone.
        "xxd" => {
            letters.len() == 1
                || (letters.starts_with(['c', 'g', 'l', 'o', 's'])
                    && letters[1..].bytes().all(|byte| byte.is_ascii_digit()))
        }
        _ => true,
    }
}

/// A file that a program opens though no operand is its path.
fn has_hidden_file(program: &str, words: &[&str]) -> bool {
    match program {
        // A program in its language can name further ones.
        "jq" => words.iter().any(|word| ["import", "include", "modulemeta"].iter().any(|name| word.contains(name))),
        // A file of options.
        "strings" => words.iter().any(|word| word.starts_with('@')),
        _ => false,
    }
}

fn by_form(form: &Form, words: &[Word]) -> Option<Reads> {
    let all = words;
    let mut reads = Reads { is_deep: form.deep.contains(&"*"), ..Reads::default() };
    let (mut operands, mut has_text, mut only_operands) = (Vec::new(), false, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.known()?;
        if only_operands || text == "-" || !text.starts_with('-') {
            operands.push(text);
            continue;
        }
        if text == "--" {
            only_operands = true;
        } else if text.starts_with("--") {
            let mut name = text.split_inclusive('=').next().unwrap_or(text).to_owned();
            // Of GNU's options with a value some may stand without one: what follows would be a path.
            if matches!(form.names[0], "rg" | "fd") && form.long.contains(&format!("{name}=").as_str()) {
                words.next()?.known()?;
                name.push('=');
            }
            let name = name.as_str();
            form.long.contains(&name).then_some(())?;
            reads.is_deep |= form.deep.contains(&name);
            has_text |= name == "--regexp=" || (name == "--files" && form.names[0] == "rg") || name == "--type-list";
        } else {
            is_plain_word(form.names[0], &text[1..]).then_some(())?;
            for (at, letter) in text.char_indices().skip(1) {
                if form.valued.contains(letter) {
                    has_text |= letter == 'e' && form.operands == Operands::TextThenPaths && form.names[0] != "fd";
                    if at + letter.len_utf8() == text.len() {
                        words.next()?.known()?;
                    }
                    break;
                }
                form.flags.contains(letter).then_some(())?;
                reads.is_deep |= form.deep.contains(&letter.to_string().as_str());
            }
        }
    }
    let paths = match form.operands {
        Operands::Paths => operands,
        Operands::OnePath if operands.len() <= 1 => operands,
        // `date 0101` sets the clock.
        Operands::Texts if form.names[0] == "date" => {
            operands.iter().all(|text| text.starts_with('+')).then(Vec::new)?
        }
        Operands::Texts => Vec::new(),
        Operands::TextThenPaths if has_text => operands,
        Operands::TextThenPaths => operands.split_off(operands.len().min(1)),
        Operands::None if operands.is_empty() => operands,
        Operands::OnePath | Operands::None => return None,
    };
    (!has_hidden_file(form.names[0], &all.iter().filter_map(Word::known).collect::<Vec<_>>())).then_some(())?;
    reads.follows = form.names[0] == "diff";
    reads.paths = paths.into_iter().filter(|path| *path != "-").map(str::to_owned).collect();
    // Where it names no file it lists its own directory.
    let lists = matches!(form.names[0], "ls" | "du" | "tree" | "rg" | "fd") || reads.is_deep;
    if reads.paths.is_empty() && lists {
        reads.paths.push(".".to_owned());
    }
    Some(reads)
}
