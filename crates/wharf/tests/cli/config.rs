//! `wharf config`.

use serde_json::Value;

use crate::{Home, finish};

fn write_config(home: &Home, text: &str) -> String {
    let path = home.workspace().join("config.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    let home = Home::new();
    let path = write_config(&home, "[server]\nprot = 1\n");
    for command in [&["config", "show"][..], &["ask", "hello"], &["serve"], &["status"]] {
        let ran = home.run(&[&["--config", &path], command].concat());
        assert_eq!(ran.code, Some(2), "{command:?}: {}", ran.err);
        assert!(ran.err.contains("unknown key `server.prot`; did you mean `server.port`?"), "{}", ran.err);
        assert!(ran.err.contains("hint:"), "{}", ran.err);
    }
}

#[test]
fn show_tells_where_each_value_comes_from() {
    let home = Home::new();
    let path = write_config(&home, "permission = \"plan\"\n");
    let mut command = home.command(&["config", "show", "--json"]);
    let ran = finish(command.env("WHARF_CONFIG", &path).env("WHARF_SERVER_PORT", "9").spawn().unwrap());
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["permission"]["value"], "plan");
    assert_eq!(shown["permission"]["source"], path.as_str());
    assert_eq!(shown["server.port"]["source"], "WHARF_SERVER_PORT");
    assert_eq!(shown["model"]["source"], "WHARF_MODEL");
    assert_eq!(shown["server.host"]["source"], "default");
    let people = home.run(&["--config", &path, "config", "show"]);
    assert!(people.out.lines().any(|line| line.starts_with("permission ") && line.contains("plan")), "{}", people.out);
}

#[test]
fn the_schema_and_the_path_need_no_valid_file() {
    let home = Home::new();
    let path = write_config(&home, "broken");
    let ran = home.run(&["--config", &path, "config", "schema"]);
    let schema: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(schema["properties"]["server"].is_object());
    let ran = home.run(&["config", "path"]);
    assert!(ran.out.trim_end().ends_with("home/.config/wharf/config.toml"), "{}", ran.out);
}

#[test]
fn every_shell_gets_completions() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = home.run(&["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("attach"), "{shell}");
    }
}

#[test]
fn a_state_directory_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    std::fs::create_dir(home.state()).unwrap();
    std::fs::set_permissions(home.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let ran = home.run(&["serve", "--port", "0"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("can be written by others"), "{}", ran.err);
}
