//! Command lines of other programs.

use super::*;
use crate::cli::Command;

fn parsed(line: &[&str]) -> Result<Cli, String> {
    parse(std::iter::once("wharf").chain(line.iter().copied()).map(OsString::from)).map_err(|error| error.to_string())
}

#[test]
fn a_prompt_without_a_command_is_asked() {
    for line in [
        &["help me with this code"][..],
        &["--mode", "embedded", "help me with this code"],
        &["--mode", "remote", "--server", "http://127.0.0.1:1", "help me with this code"],
        &["-p", "help me with this code"],
        &["--print", "help me with this code"],
    ] {
        let cli = parsed(line).unwrap();
        let Some(Command::Ask(args)) = cli.command else { panic!("{line:?}: {:?}", cli.command) };
        assert_eq!(args.prompt, ["help me with this code"], "{line:?}");
    }
}

#[test]
fn a_single_word_is_never_a_prompt() {
    for line in [&["sesions"][..], &["hello"], &["-p", "hello"], &["--nonsense"]] {
        parsed(line).unwrap_err();
    }
}

#[test]
fn words_of_other_programs_lead_to_ours() {
    for (line, ours) in [
        (&["chat"][..], "wharf attach"),
        (&["login"], "wharf models"),
        (&["update"], "wharf stop"),
        (&["uninstall"], ".local/state/wharf"),
        (&["-p"], "wharf ask"),
        (&["acp", "serve"], "`wharf acp`"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(error.contains(ours), "{line:?}: {error}");
    }
}

#[test]
fn advice_names_commands_that_exist() {
    for (word, instead) in ELSEWHERE {
        assert!(!is_command(word.as_ref()), "{word} is a command");
        for named in instead.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("wharf ")) {
            let command = named.split_whitespace().next().unwrap();
            assert!(command.starts_with('-') || is_command(command.as_ref()), "{instead}");
        }
    }
}

#[test]
fn a_command_line_that_is_wrong_in_other_ways_keeps_its_error() {
    let error = parsed(&["serve", "--prot", "1"]).unwrap_err();
    assert!(error.contains("--port"), "{error}");
}
