//! The tools as models and policies see them.

use std::fmt::Write as _;

use expect_test::{expect, expect_file};
use serde_json::json;

use super::*;

#[test]
fn specs_are_sorted_and_complete() {
    let toolbox = Toolbox::builtin(ToolsConfig::default());
    let mut table = String::new();
    for spec in toolbox.specs().iter() {
        let names: Vec<&str> = spec.parameters["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        writeln!(
            table,
            "{} {} {:?} {} {} ({})",
            spec.name,
            spec.category,
            spec.kind,
            if spec.read_only { "reads" } else { "changes" },
            spec.subject.as_deref().unwrap_or("-"),
            names.join(" ")
        )
        .unwrap();
        assert_eq!(spec.parameters["additionalProperties"], false, "{}", spec.name);
        let text = spec.parameters.to_string();
        assert!(!text.contains("$ref") && !text.contains("\"null\"") && !text.contains("_active"), "{text}");
        assert!(Arc::ptr_eq(toolbox.get(&spec.name).unwrap().spec(), spec));
    }
    expect![[r#"
        apply_patch files Edit changes - (patch)
        ask_user planning Other reads - (message fields)
        bash shell Execute changes command (command timeout_ms workdir background terminal input description)
        command_input shell Execute changes content (command_id content close)
        command_list shell Read reads - ()
        command_output shell Read reads - (command_id offset limit wait_ms until_end)
        command_stop shell Other changes - (command_id)
        edit_file files Edit changes path (path old_string new_string replace_all)
        glob search Search reads pattern (pattern path limit)
        grep search Search reads pattern (pattern path glob mode case_insensitive context multiline limit)
        list_dir files Read reads path (path depth)
        read_file files Read reads path (path offset limit)
        think planning Think reads - (thought)
        todo planning Think reads - (todos)
        write_file files Edit changes path (path content)
    "#]]
    .assert_eq(&table);
    assert!(toolbox.get("nothing").is_none());
}

/// What every request shows a model of the built-in tools: each word of it is paid for with every call, and a change of it makes
/// providers forget what they have cached.
#[test]
fn descriptions_and_parameters_stay_as_they_are() {
    let mut text = String::new();
    for spec in Toolbox::builtin(ToolsConfig::default()).specs().iter() {
        writeln!(text, "{}: {:?}\n{}\n", spec.name, spec.description, spec.parameters).unwrap();
    }
    expect_file!["tests/shown.txt"].assert_eq(&text);
}

#[test]
fn subjects_are_seen_under_every_name() {
    let toolbox = Toolbox::builtin(ToolsConfig::default());
    let subjects = |tool: &str, arguments: serde_json::Value| toolbox.get(tool).unwrap().subjects(&arguments);
    assert_eq!(subjects("write_file", json!({"file_path": "a", "content": ""})), ["a"]);
    assert_eq!(subjects("read_file", json!("{\"filename\": \"a\"}")), ["a"]);
    assert_eq!(subjects("bash", json!({"cmd": "ls"})), ["ls"]);
    assert_eq!(subjects("bash", json!({"unknown": "ls"})), Vec::<String>::new());
    let patch = "*** Begin Patch\n*** Delete File: a\n*** Update File: b\n*** Move to: c\n*** End Patch";
    assert_eq!(subjects("apply_patch", json!({"input": patch})), ["a", "b", "c"]);
    assert_eq!(subjects("think", json!({"thought": "a"})), Vec::<String>::new());
}
