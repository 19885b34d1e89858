//! What a wrong command line, a wrong setting or a lost output comes to: an exit code, and words that help.

use std::io::Write;
use std::process::Stdio;

use crate::{Home, finish};

#[test]
fn what_cannot_be_is_wrong_usage() {
    let home = Home::new();
    for (line, words) in [
        (&["ask", "--unattended", "-C", "/nope", "hello"][..], "cannot work in /nope"),
        (&["ask", "--unattended", "--model", "nope/x", "hello"], "wharf models"),
        (&["ask", "--unattended", "--model", "openai/gpt-5", "hello"], "OPENAI_API_KEY"),
        (&["ask", "--unattended", "--agent", "nobody", "hello"], "wharf agents"),
        (&["serve", "--port", "0", "--model", "foo/bar"], "foo/bar"),
        (
            &["serve", "--port", "0", "--model", "local:http://127.0.0.1:9/v1/some"],
            "--model custom/some --base-url http://127.0.0.1:9/v1",
        ),
        (&["chat"], "wharf attach"),
        (&["sesions"], "sessions"),
    ] {
        let ran = home.run(line);
        assert_eq!(ran.code, Some(2), "{line:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{line:?}: {}", ran.err);
    }
}

#[test]
fn a_session_keeps_its_agent_and_directory() {
    let home = Home::new();
    assert_eq!(home.run(&["ask", "--unattended", "hello"]).code, Some(0));
    let id = home.sessions()[0]["id"].as_str().unwrap().to_owned();
    for (flag, value) in [("--agent", "planner"), ("-C", "/")] {
        let ran = home.run(&["ask", "--unattended", "--session", &id, flag, value, "hello"]);
        assert_eq!(ran.code, Some(2), "{flag}: {}", ran.err);
    }
    let ran = home.run(&["ask", "--unattended", "--session", &id, "--permission", "plan", "hello"]);
    assert!(ran.code == Some(0) && ran.err.contains("now has: permission plan"), "{}", ran.err);
}

#[test]
fn a_prompt_without_a_command_is_asked() {
    let home = Home::new();
    let ran = home.run(&["--mode", "embedded", "read notes.txt please"]);
    assert!(ran.code == Some(0) && ran.out.contains("second line"), "{} {}", ran.out, ran.err);
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let home = Home::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = finish(home.command(&["ask", "--unattended", "read notes.txt"]).stdout(full).spawn().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("cannot write to standard output"), "{}", ran.err);
}

#[test]
fn a_pipe_without_a_command_is_an_editor_or_a_mistake() {
    let home = Home::new();
    let piped = |text: &str| {
        let mut child = home.command(&[]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        finish(child)
    };
    for (text, words) in [("a question\n", "wharf ask"), ("", "nothing came")] {
        let ran = piped(text);
        assert_eq!(ran.code, Some(2), "{text:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    let hello = r#"  {"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":1}}"#;
    let ran = piped(&format!("{hello}\n"));
    assert!(ran.out.contains(r#""id":7"#) && ran.out.contains("NO_SERVER"), "{} {}", ran.out, ran.err);
}

#[test]
fn an_unknown_log_level_is_an_error_and_warning_is_none() {
    let home = Home::new();
    let run = |level: &str| finish(home.command(&["models"]).env("WHARF_LOG", level).spawn().unwrap());
    assert_eq!(run("warning").code, Some(0));
    let ran = run("loud");
    assert!(ran.code == Some(2) && ran.err.contains("\"loud\" is no level"), "{}", ran.err);
}

#[test]
fn the_built_in_model_needs_no_server() {
    let home = Home::new();
    let mut command = home.command(&["ask", "--unattended", "--model", "demo", "read notes.txt"]);
    let ran = finish(command.env("WHARF_BASE_URL", "http://127.0.0.1:9/v1").spawn().unwrap());
    assert!(ran.code == Some(0) && ran.out.contains("second line"), "{} {}", ran.out, ran.err);
}

#[test]
fn a_reload_says_what_the_server_made_of_it() {
    let home = Home::new();
    let file = home.workspace().join("config.toml");
    std::fs::write(&file, "log = \"warn\"\n").unwrap();
    let _server = home.serve(&["--config", file.to_str().unwrap()]);
    std::fs::write(&file, "log = \"info\"\n").unwrap();
    let taken = home.run(&["config", "reload"]);
    assert!(taken.code == Some(0) && taken.err.contains("log"), "{}", taken.err);
    std::fs::write(&file, "lgo = \"info\"\n").unwrap();
    let refused = home.run(&["config", "reload"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("unknown key `lgo`; did you mean `log`?"), "{}", refused.err);
    let path = home.run(&["--config", file.to_str().unwrap(), "config", "path"]);
    assert_eq!((path.code, path.out.trim_end()), (Some(0), file.to_str().unwrap()));
    let logs = home.run(&["logs"]);
    assert!(logs.out.contains("listens on") && logs.out.contains("unknown key"), "{}", logs.out);
}

#[test]
fn logs_without_a_server_say_where_they_would_be() {
    let home = Home::new();
    let ran = home.run(&["logs"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("server.log"), "{}", ran.err);
    assert!(home.run(&["logs", "--path"]).out.trim_end().ends_with("state/server.log"));
}
