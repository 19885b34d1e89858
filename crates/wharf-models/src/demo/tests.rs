//! Whole turns with the demo model: prompts, canned results of the tools, and what is said and called.

use std::fmt::Write;
use std::sync::Arc;

use expect_test::{Expect, expect};
use futures_util::StreamExt;
use serde_json::{Value, json};
use wharf_protocol::{CallId, ContentBlock, Message, Role, ToolSpec};

use super::DemoModel;
use crate::{Delta, Model, ModelRequest};

const README: &str = "     1\t# Tiny\n     2\t\n     3\t[![badge](x)](y)\n     4\t\n     5\tA small thing that\n     6\tdoes little.\n     7\t\n     8\t## Use\n";

fn tool(name: &str, arguments: &[&str]) -> Arc<ToolSpec> {
    let properties: serde_json::Map<String, Value> =
        arguments.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let spec = json!({
        "name": name, "description": "", "category": "files", "kind": "read", "source": "builtin", "read_only": true,
        "parameters": {"type": "object", "properties": properties}, "timeout_ms": 1,
    });
    Arc::new(serde_json::from_value(spec).unwrap())
}

fn tools() -> Vec<Arc<ToolSpec>> {
    vec![
        tool("list_dir", &["path"]),
        tool("read_file", &["file_path", "offset"]),
        tool("grep", &["pattern", "path"]),
        tool("glob", &["pattern"]),
        tool("edit_file", &["path", "old_string", "new_string"]),
        tool("write_file", &["path", "content"]),
        tool("bash", &["command"]),
    ]
}

fn message(role: Role, text: &str) -> Message {
    let content = if text.is_empty() { vec![] } else { vec![ContentBlock::text(text)] };
    let message = json!({
        "message_id": "msg-1", "role": role, "content": content, "seq": 1, "created_at": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(message).unwrap()
}

/// What the tools say; a name with `!` fails.
fn run(name: &str) -> (&'static str, bool) {
    match name {
        "list_dir" => ("src/\nREADME.md\nCargo.toml\n", false),
        "read_file" => (README, false),
        "grep" => ("src/main.rs:1: needle", false),
        "glob" => ("", false),
        "bash" => ("no such command ```", true),
        _ => ("done", false),
    }
}

async fn turn(prompt: &str, tools: Vec<Arc<ToolSpec>>) -> String {
    let mut request = ModelRequest {
        system: "".into(),
        messages: vec![
            Arc::new(message(Role::User, "read old.txt")),
            Arc::new(message(Role::Assistant, "No.")),
            Arc::new(message(Role::User, prompt)),
        ],
        tools: tools.into(),
        max_tokens: None,
        thinking: wharf_protocol::Thinking::Default,
    };
    let mut text = String::new();
    for step in 0..10 {
        let deltas: Vec<_> = DemoModel.stream(request.clone()).await.unwrap().collect().await;
        let mut said = String::new();
        let mut reply = None;
        for delta in deltas {
            match delta.unwrap() {
                Delta::Text(words) => said.push_str(&words),
                Delta::Reasoning(_) => panic!("it does not reason"),
                Delta::Finished(finished) => reply = Some(finished),
            }
        }
        let _ = writeln!(text, "{}", said.trim_end());
        let Some(call) = reply.unwrap().tool_calls.into_iter().next() else { return text };
        let _ = writeln!(text, "> {} {}", call.tool_name, call.arguments.unwrap());
        let call_id: CallId = format!("c{step}").parse().unwrap();
        let (result, failed) = run(&call.tool_name);
        request.messages.push(Arc::new(message(Role::Assistant, &said)));
        request.messages.push(Arc::new(Message {
            call_id: Some(call_id),
            is_error: failed,
            ..message(Role::Tool, result)
        }));
    }
    panic!("the turn has no end:\n{text}");
}

async fn check(prompt: &str, expected: Expect) {
    expected.assert_eq(&turn(prompt, tools()).await);
}

#[tokio::test]
async fn it_tells_what_a_project_is() {
    check(
        "What is this project?",
        expect![[r#"
        I will list the working directory.
        > list_dir {"path":"."}
        I will read README.md.
        > read_file {"file_path":"README.md"}
        **Tiny**, says `README.md`: A small thing that does little.

        The working directory holds:

        ```
        src/
        README.md
        Cargo.toml
        ```

        I am Wharf's demo model and only quote; for more than that, set up a real one.
    "#]],
    )
    .await;
}

#[tokio::test]
async fn it_lists_and_reads() {
    check(
        "List the files in src, please.",
        expect![[r#"
        I will list `src`.
        > list_dir {"path":"src"}
        In `src` there is:

        ```
        src/
        README.md
        Cargo.toml
        ```
    "#]],
    )
    .await;
    check(
        "show me README.md",
        expect![[r#"
        I will read README.md.
        > read_file {"file_path":"README.md"}
        `README.md` reads:

        ```
             1	# Tiny
             2	
             3	[![badge](x)](y)
             4	
             5	A small thing that
             6	does little.
             7	
             8	## Use
        ```
    "#]],
    )
    .await;
}

#[tokio::test]
async fn it_searches() {
    check(
        "search for \"a.b\"",
        expect![[r#"
        I will search for "a.b".
        > grep {"pattern":"a\\.b"}
        For "a.b" I found:

        ```
        src/main.rs:1: needle
        ```
    "#]],
    )
    .await;
    check(
        "find needle in the code",
        expect![[r#"
        I will search for "needle".
        > grep {"pattern":"needle"}
        For "needle" I found:

        ```
        src/main.rs:1: needle
        ```
    "#]],
    )
    .await;
    check(
        "find *.py",
        expect![[r#"
        I will look for files that match *.py.
        > glob {"pattern":"*.py"}
        I found nothing for "*.py".
    "#]],
    )
    .await;
}

#[tokio::test]
async fn it_does_one_thing_after_the_other() {
    check(
        "Create notes/a.txt with \"one\\ntwo\", then replace \"one\" with \"1\" in notes/a.txt",
        expect![[r#"
            I will write notes/a.txt.
            > write_file {"path":"notes/a.txt","content":"one\ntwo\n"}
            I will read notes/a.txt.
            > read_file {"file_path":"notes/a.txt"}
            I will edit notes/a.txt.
            > edit_file {"path":"notes/a.txt","old_string":"one","new_string":"1"}
            I wrote `notes/a.txt` (8 bytes).

            I replaced "one" with "1" in `notes/a.txt`.
        "#]],
    )
    .await;
}

#[tokio::test]
async fn it_stops_where_something_fails() {
    check(
        "run `make all` and then read README.md",
        expect![[r#"
        I will run `make all`.
        > bash {"command":"make all"}
        The tool `bash` did not do it:

        ````
        no such command ```
        ````

        I stopped there and did not do the rest.
    "#]],
    )
    .await;
}

#[tokio::test]
async fn it_says_what_it_can_do() {
    check("How are you?", expect![[r#"
        I am Wharf's demo model: no language model, a few fixed skills. I did not understand that. I can:

        - tell what this project is, and list files
        - read FILE
        - search for WORD
        - create FILE with "CONTENT"
        - replace "A" with "B" in FILE
        - run `COMMAND`

        and do several of these, with "then" between them. For a real model, set a key such as OPENAI_API_KEY, or start a local model server such as Ollama.
    "#]]).await;
}

#[tokio::test]
async fn it_uses_only_the_tools_that_it_was_given() {
    expect![[r#"
        I will look which files there are.
        > glob {"pattern":"*"}
        In the working directory there is:

        (nothing)
    "#]]
    .assert_eq(&turn("list files", vec![tool("glob", &["pattern"])]).await);
    expect![[r#"
        I would need the tool `bash` for that, and I have not been given it.
    "#]]
    .assert_eq(&turn("run ls -l", vec![tool("glob", &["pattern"])]).await);
}

#[tokio::test]
async fn it_summarizes_by_quoting() {
    expect![[r#"
        Summary by Wharf's demo model, which can only quote. The user asked, in this order:
        - read old.txt
        0 tool calls were made.
    "#]]
    .assert_eq(&turn("Summarize the conversation so far.", vec![]).await);
}

#[tokio::test]
async fn it_survives_whatever_is_typed() {
    for prompt in [
        "",
        "then",
        "`",
        "run",
        "run `",
        "replace \"a\" with \"b\"",
        "create",
        "read",
        "find",
        "search for",
        "\u{201c}x",
        "then then read a.b then",
        "'''",
    ] {
        let said = turn(prompt, tools()).await;
        assert!(!said.trim().is_empty(), "{prompt:?}");
    }
}
