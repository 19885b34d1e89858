//! `wharf init`, on a home of its own.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Home, mode_of};

const SETTINGS: &str = "// mine\n{\n  \"theme\": \"One Dark\", // dark\n}\n";

fn file(home: &Home, name: &str) -> PathBuf {
    let path = home.user().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn written(home: &Home, name: &str, text: &str) -> PathBuf {
    let path = file(home, name);
    std::fs::write(&path, text).unwrap();
    path
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn zed_gets_an_entry_once_and_keeps_everything_else() {
    let home = Home::new();
    let settings = written(&home, ".config/zed/settings.json", SETTINGS);
    let shown = home.run(&["init", "zed", "--print"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(
        shown.out.contains("+  \"agent_servers\": {") && shown.out.contains("~/.config/zed/settings.json"),
        "{}",
        shown.out
    );
    assert_eq!(read(&settings), SETTINGS, "--print changes nothing");

    let done = home.run(&["init", "zed"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("settings.json.wharf-backup"), "{}", done.out);
    let text = read(&settings);
    assert!(text.starts_with("// mine\n{\n  \"theme\": \"One Dark\", // dark\n"), "{text}");
    assert_eq!(read(&settings.with_file_name("settings.json.wharf-backup")), SETTINGS);

    let again = home.run(&["init", "zed"]);
    assert!(again.code == Some(0) && again.out.contains("nothing changed"), "{}", again.out);
    assert_eq!(read(&settings), text);
    assert_eq!(names(&settings), ["settings.json", "settings.json.wharf-backup"]);
}

#[test]
fn what_zed_was_given_starts_an_agent() {
    use std::io::{BufRead, BufReader, Write};
    let home = Home::new();
    assert_eq!(home.run(&["init", "zed"]).code, Some(0));
    let settings: Value = serde_json::from_str(&read(&file(&home, ".config/zed/settings.json"))).unwrap();
    let entry = &settings["agent_servers"]["Wharf"];
    assert_eq!(entry["type"], "custom");
    // The test's binary is on no search path.
    assert_eq!(entry["command"].as_str(), Some(env!("CARGO_BIN_EXE_wharf")));
    let arguments: Vec<&str> =
        entry["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect();
    let mut agent = home.command(&arguments).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = agent.stdin.take().unwrap();
    writeln!(input, r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":1}}}}"#).unwrap();
    let mut line = String::new();
    BufReader::new(agent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["result"]["agentInfo"]["name"], "wharf");
    drop(input);
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    assert_eq!(home.run(&["stop", "--now"]).code, Some(0));
}

#[test]
fn jetbrains_shows_another_entry_and_replaces_it_only_when_told() {
    let home = Home::new();
    let old = r#"{ "agent_servers": { "Wharf": { "command": "/old/wharf", "args": ["acp"], "env": { "A": "1" } } } }"#;
    let settings = written(&home, ".jetbrains/acp.json", old);
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o600)).unwrap();
    let refused = home.run(&["init", "jetbrains"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.out.contains("/old/wharf") && refused.err.contains("--force"), "{} {}", refused.out, refused.err);
    assert_eq!(read(&settings), old);
    let forced = home.run(&["init", "jetbrains", "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    let entry: Value = serde_json::from_str(&read(&settings)).unwrap();
    let entry = &entry["agent_servers"]["Wharf"];
    assert_eq!(entry["args"], serde_json::json!(["acp", "--start-server"]));
    assert_eq!(entry["env"]["A"], "1", "what is the user's stays");
    assert_eq!(mode_of(&settings), 0o600);
}

#[test]
fn a_broken_file_is_refused_with_its_place_and_left_alone() {
    let home = Home::new();
    let broken = "{\n  \"theme\": \"One Dark\"\n  \"vim_mode\": true\n}\n";
    let settings = written(&home, ".config/zed/settings.json", broken);
    let refused = home.run(&["init", "zed", "--force"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("line 2, column 22"), "{}", refused.err);
    assert!(refused.err.contains("\"agent_servers\""), "it says what to add by hand: {}", refused.err);
    assert_eq!(read(&settings), broken);
    assert_eq!(names(&settings), ["settings.json"]);
    let listed = home.run(&["init"]);
    assert!(listed.code == Some(0) && listed.out.contains("look at the file"), "{}", listed.out);
}

#[test]
fn dotfiles_behind_links_are_changed_where_they_are() {
    let home = Home::new();
    let kept = written(&home, "dotfiles/zed.json", SETTINGS);
    let settings = file(&home, ".config/zed/settings.json");
    symlink(&kept, &settings).unwrap();
    let done = home.run(&["init", "zed"]);
    assert!(done.code == Some(0) && done.out.contains("~/dotfiles/zed.json"), "{} {}", done.out, done.err);
    assert!(settings.is_symlink());
    assert!(read(&kept).contains("\"Wharf\""));
}

#[test]
fn code_of_the_user_is_never_changed() {
    let home = Home::new();
    let code = [written(&home, ".config/nvim/init.lua", "-- mine\n"), written(&home, ".emacs.d/init.el", ";; mine\n")];
    for (editor, name, line) in [
        ("neovim", ".config/nvim/lua/wharf_acp.lua", "require(\"wharf_acp\").codecompanion"),
        ("emacs", ".emacs.d/wharf-acp.el", "(load \"~/.emacs.d/wharf-acp.el\")"),
    ] {
        let done = home.run(&["init", editor]);
        assert!(done.code == Some(0) && done.out.contains(line), "{} {}", done.out, done.err);
        let own = file(&home, name);
        assert!(read(&own).contains(env!("CARGO_BIN_EXE_wharf")));
        let again = home.run(&["init", editor]);
        assert!(again.out.contains("nothing changed") && again.out.contains(line), "{}", again.out);
        std::fs::write(&own, read(&own) + "-- by hand\n").unwrap();
        assert_eq!(home.run(&["init", editor]).code, Some(1));
        assert!(read(&own).ends_with("-- by hand\n"));
        assert_eq!(home.run(&["init", editor, "--force"]).code, Some(0));
        assert!(!read(&own).contains("by hand"));
    }
    assert_eq!(code.map(|path| read(&path)), ["-- mine\n", ";; mine\n"]);
}

#[test]
fn toad_is_started_with_wharf() {
    let home = Home::new();
    assert_eq!(home.run(&["init", "toad"]).code, Some(0));
    let script = file(&home, ".local/bin/toad-wharf");
    assert_eq!(mode_of(&script), 0o755);
    // Stands in for Toad: says what it was given, and whether the command leads anywhere.
    let toad = written(&home, "bin/toad", "#!/bin/sh\nprintf '%s|' \"$@\"\ncommand -v wharf\n");
    std::fs::set_permissions(&toad, std::fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:/usr/bin:/bin", toad.parent().unwrap().display());
    let ran = std::process::Command::new(&script).env("PATH", search).arg("my dir").output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let given = "acp|wharf acp --start-server|my dir|--project-dir|my dir|--title|Wharf|";
    assert_eq!(said.trim_end(), format!("{given}{}", env!("CARGO_BIN_EXE_wharf")));
}

#[test]
fn without_an_editor_it_lists_what_it_finds() {
    let home = Home::new();
    written(&home, ".config/zed/settings.json", SETTINGS);
    let line = |editor: &str| {
        let listed = home.run(&["init"]);
        assert_eq!(listed.code, Some(0), "{}", listed.err);
        let line = listed.out.lines().find(|line| line.starts_with(editor)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("zed"), ["zed", "yes", "no", "~/.config/zed/settings.json"]);
    assert_eq!(home.run(&["init", "zed"]).code, Some(0));
    assert_eq!(line("zed")[..4], ["zed", "yes", "set", "up"]);
    assert!(!home.state().exists(), "nothing of ours is made");
}

#[test]
fn an_editor_that_is_not_known_is_suggested() {
    let home = Home::new();
    let wrong = home.run(&["init", "neovin"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("neovim") && wrong.err.contains("zed"), "{}", wrong.err);
    assert_eq!(home.run(&["init", "--print"]).code, Some(2));
}
