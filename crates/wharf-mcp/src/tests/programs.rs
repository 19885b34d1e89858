//! Against the scripted server, as a program.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_protocol::mcp::{McpServer, McpServerState, McpStatus, NamedValue};
use wharf_testkit::{wait_until, within};

use wharf_protocol::{CallOutcome, ToolError};

use super::super::{Mcp, McpConfig, McpSet, Remembered};
use crate::testing::{Bench, program};
use wharf_tools::{Home, Tool};

const LIMIT: Duration = Duration::from_secs(20);

/// A pool, and a directory with the log of what its servers heard.
struct Lab {
    mcp: Mcp,
    dir: TempDir,
    bench: Bench,
}

impl Lab {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(is_supervised: bool) -> Self {
        let environment = [("PATH", std::env::var("PATH").unwrap()), ("OPENAI_API_KEY", "sk".to_owned())];
        let config = McpConfig {
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            call_timeout_ms: 60_000,
            supervisor: is_supervised.then(crate::testing::supervisor),
            ..McpConfig::default()
        };
        Self { mcp: Mcp::new(config), dir: tempfile::tempdir().unwrap(), bench: Bench::new() }
    }

    fn server(&self, args: &[&str]) -> McpServer {
        let log = self.dir.path().join("log").to_string_lossy().into_owned();
        let args = args.iter().map(|arg| (*arg).to_owned()).chain(["--log".to_owned(), log]).collect();
        McpServer { name: "test".to_owned(), command: Some(program()), args, ..McpServer::default() }
    }

    fn home(&self) -> Home {
        Home::new(self.dir.path(), &[])
    }

    fn open(&self, args: &[&str]) -> McpSet {
        self.mcp.open(&[self.server(args)], Remembered::default(), &self.home())
    }

    async fn ready(&self, args: &[&str]) -> McpSet {
        let set = self.open(args);
        set.settled(LIMIT).await;
        set
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn starts(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("start ")).count()
    }

    async fn call(&self, set: &McpSet, tool: &str, arguments: Value) -> CallOutcome {
        let (context, mut pieces, _cancel) = self.bench.context();
        let tool = tool_of(set, tool);
        let drain = async { while pieces.recv().await.is_some() {} };
        let (result, ()) = within("a call", async { tokio::join!(tool.run(arguments, context), drain) }).await;
        result
    }

    async fn tell(&self, set: &McpSet, tool: &str, arguments: Value) -> String {
        match self.call(set, tool, arguments).await {
            Ok(output) => output.result,
            Err(error) => format!("error: {error}"),
        }
    }
}

fn tool_of(set: &McpSet, name: &str) -> Arc<dyn Tool> {
    let name = format!("mcp__test__{name}");
    set.tools().into_iter().find(|tool| tool.spec().name == name).unwrap_or_else(|| panic!("no tool {name}"))
}

fn state(set: &McpSet) -> McpServerState {
    set.states().remove(0)
}

async fn until(set: &McpSet, status: McpStatus) -> McpServerState {
    wait_until(&format!("{status:?}"), LIMIT, || state(set).status == status).await;
    state(set)
}

#[tokio::test]
async fn a_server_is_greeted_listed_and_called() {
    for is_supervised in [true, false] {
        let lab = Lab::with(is_supervised);
        let set = lab.ready(&["--tools", "20", "--page", "7"]).await;
        let shown = state(&set);
        assert_eq!(
            (shown.status, shown.server.as_deref()),
            (McpStatus::Connected, Some("scripted 1\\u{1b}[31m")),
            "{shown:?}"
        );
        assert_eq!(shown.tools.len(), 33);
        assert_eq!(lab.tell(&set, "echo", json!({ "text": "hi" })).await, "hi");
        assert_eq!(lab.tell(&set, "fail", json!({ "text": "why" })).await, "error: it failed: why");
        let refused = "error: the MCP server test refused the call: no \\u{1b}[31mway\\u{202e} (-32602)";
        assert_eq!(lab.tell(&set, "refuse", json!({})).await, refused);
        let roots = lab.tell(&set, "ask", json!({})).await;
        assert!(roots.contains("file:///") && roots.contains(&lab.dir.path().display().to_string()), "{roots}");
        let place = lab.tell(&set, "where", json!({})).await;
        assert!(place.ends_with(&lab.dir.path().canonicalize().unwrap().display().to_string()), "{place}");
        assert!(lab.tell(&set, "media", json!({})).await.contains("red: \\u{1b}[31m"));
        let spec = tool_of(&set, "echo").spec().clone();
        assert!(!spec.read_only, "a server's own word does not count");
        drop(set);
        wait_until("its input to end", LIMIT, || lab.log().ends_with("end\n")).await;
        lab.mcp.close(LIMIT).await;
    }
}

#[tokio::test]
async fn a_server_sees_its_own_variables_and_no_key_of_ours() {
    let lab = Lab::new();
    let mut server = lab.server(&[]);
    server.env = vec![NamedValue { name: "SECRET".to_owned(), value: "only mine".to_owned() }];
    let set = lab.mcp.open(&[server], Remembered::default(), &lab.home());
    set.settled(LIMIT).await;
    assert_eq!(lab.tell(&set, "environment", json!({ "text": "SECRET" })).await, "only mine");
    assert_eq!(lab.tell(&set, "environment", json!({ "text": "OPENAI_API_KEY" })).await, "unset");
    assert_ne!(lab.tell(&set, "environment", json!({ "text": "PATH" })).await, "unset");
}

#[tokio::test]
async fn annotations_count_where_they_are_trusted() {
    let lab = Lab::new();
    let server = McpServer { trust_annotations: true, ..lab.server(&[]) };
    let set = lab.mcp.open(&[server], Remembered::default(), &lab.home());
    set.settled(LIMIT).await;
    assert!(tool_of(&set, "echo").spec().read_only);
    assert!(!tool_of(&set, "die").spec().read_only);
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_fails_the_call_and_is_started_again() {
    let lab = Lab::new();
    let set = lab.ready(&[]).await;
    let (context, _pieces, _cancel) = lab.bench.context();
    let other = tokio::spawn(async move { context });
    let never = tool_of(&set, "never");
    let (waiting, _pieces, _cancel2) = lab.bench.context();
    let waiting = tokio::spawn(async move { never.run(json!({}), waiting).await });
    wait_until("the call to arrive", LIMIT, || lab.log().contains("\"never\"")).await;
    let told = lab.tell(&set, "die", json!({})).await;
    assert_eq!(told, "error: the MCP server test does not answer: it ended: exit code 9");
    let waited = within("the other call", waiting).await.unwrap();
    assert!(matches!(waited, Err(ToolError::Failed(_))), "{waited:?}");
    // The next one waits for the new process.
    assert_eq!(lab.tell(&set, "echo", json!({ "text": "again" })).await, "again");
    assert_eq!((lab.starts(), state(&set).restarts), (2, 1));
    drop(other);
}

#[tokio::test]
async fn a_server_that_cannot_start_is_given_up_and_tried_when_it_is_wanted() {
    let lab = Lab::new();
    let flag = lab.dir.path().join("broken");
    let set = lab.ready(&["--fails", flag.to_str().unwrap()]).await;
    assert_eq!(state(&set).status, McpStatus::Connected);
    std::fs::write(&flag, "").unwrap();
    let told = lab.tell(&set, "die", json!({})).await;
    assert!(told.starts_with("error: "), "{told}");
    let shown = until(&set, McpStatus::Failed).await;
    assert_eq!(shown.tools.len(), 13, "its tools stay: a call says what is wrong");
    assert_eq!(shown.error.as_deref(), Some("it ended: exit code 1"));
    assert!(shown.stderr.unwrap().contains("no way"));
    let told = lab.tell(&set, "echo", json!({ "text": "x" })).await;
    assert_eq!(told, "error: the MCP server test does not answer: it ended: exit code 1");
    std::fs::remove_file(&flag).unwrap();
    // It was tried a moment ago: for some seconds a call does not try it again.
    let called = async {
        while lab.call(&set, "echo", json!({ "text": "x" })).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("it to be tried again", called).await;
    until(&set, McpStatus::Connected).await;
    assert_eq!(lab.tell(&set, "echo", json!({ "text": "back" })).await, "back");
}

#[tokio::test]
async fn what_cannot_be_started_at_all_says_so_without_secrets() {
    let lab = Lab::new();
    let missing = McpServer { command: Some("/nonexistent/server".into()), ..lab.server(&[]) };
    let set = lab.mcp.open(&[missing], Remembered::default(), &lab.home());
    let shown = until(&set, McpStatus::Failed).await;
    let error = shown.error.unwrap();
    assert!(error.starts_with("/nonexistent/server cannot be started: No such file"), "{error}");
    let mut leaky = lab.server(&["--exit", "3"]);
    leaky.env = vec![NamedValue { name: "SECRET".to_owned(), value: "hunter22".to_owned() }];
    let set = lab.mcp.open(&[leaky], Remembered::default(), &lab.home());
    let shown = until(&set, McpStatus::Failed).await;
    assert_eq!(shown.stderr.as_deref(), Some("no way: the secret is [redacted]"));
    assert!(set.tools().is_empty());
}

#[tokio::test]
async fn a_stopped_call_is_called_off_at_the_server() {
    let lab = Lab::new();
    let set = lab.ready(&[]).await;
    let (context, _pieces, cancel) = lab.bench.context();
    let tool = tool_of(&set, "never");
    let call = tokio::spawn(async move { tool.run(json!({}), context).await });
    wait_until("the call to arrive", LIMIT, || lab.log().contains("\"never\"")).await;
    cancel.cancel();
    assert!(matches!(within("the end", call).await.unwrap(), Err(ToolError::Stopped { .. })));
    wait_until("the word", LIMIT, || lab.log().contains("notifications/cancelled")).await;
    assert_eq!(lab.tell(&set, "echo", json!({ "text": "on" })).await, "on");
}

#[tokio::test]
async fn progress_is_told() {
    let lab = Lab::new();
    let set = lab.ready(&[]).await;
    let (context, mut pieces, _cancel) = lab.bench.context();
    let run = tool_of(&set, "sleep");
    let call = tokio::spawn(async move { run.run(json!({ "ms": 10 }), context).await });
    assert_eq!(within("progress", pieces.recv()).await.as_deref(), Some("1/2 half\n"));
    assert_eq!(within("the end", call).await.unwrap().unwrap().result, "slept");
}

#[tokio::test]
async fn a_changed_list_is_read_again() {
    let lab = Lab::new();
    let set = lab.ready(&[]).await;
    let mut changes = set.changes();
    lab.tell(&set, "grow", json!({})).await;
    wait_until("the new tool", LIMIT, || state(&set).tools.iter().any(|name| name.ends_with("grown_0"))).await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(lab.tell(&set, "grown_0", json!({ "text": "new" })).await, "new");
}

#[tokio::test]
async fn bad_lists_and_noise_do_no_harm() {
    let lab = Lab::new();
    let set = lab.ready(&["--evil", "--tools", "500", "--page", "50"]).await;
    let shown = state(&set);
    assert_eq!((shown.tools.len(), shown.left_out.is_empty()), (128, false));
    let told = lab.tell(&set, "raw", json!({ "text": "[INFO] this is no message" })).await;
    assert_eq!(told, "written");
    let told = lab.tell(&set, "raw", json!({ "text": "{\"jsonrpc\":\"2.0\",\"id\":99999,\"result\":{}}" })).await;
    assert_eq!(told, "written", "an answer to nobody");
    drop(set);
    let endless = lab.ready(&["--endless"]).await;
    let shown = state(&endless);
    assert_eq!((shown.status, shown.tools.len()), (McpStatus::Connected, 13));
    assert!(shown.left_out.iter().any(|note| note.contains("64 pages")), "{:?}", shown.left_out);
    let other = lab.open(&["--version", "1999-01-01"]);
    let shown = until(&other, McpStatus::Failed).await;
    assert_eq!(
        shown.error.as_deref(),
        Some("it speaks version \"1999-01-01\" of the protocol, which is not known here")
    );
}

#[tokio::test]
async fn results_and_messages_have_a_limit() {
    let lab = Lab::new();
    let set = lab.ready(&[]).await;
    let output = lab.call(&set, "big", json!({ "bytes": 1_000_000 })).await.unwrap();
    assert!(output.truncated && output.result.len() <= 30_000, "{}", output.result.len());
    assert_eq!(std::fs::metadata(output.output_file.unwrap()).unwrap().len(), 1_000_000);
    let told = lab.tell(&set, "big", json!({ "bytes": 17 << 20 })).await;
    assert_eq!(told, "error: the MCP server test does not answer: it sent a message of more than 16 MiB");
    assert_eq!(lab.tell(&set, "echo", json!({ "text": "again" })).await, "again");
}

#[tokio::test]
async fn servers_that_are_configured_alike_are_one() {
    let lab = Lab::new();
    let (one, two) = (lab.ready(&[]).await, lab.ready(&[]).await);
    let pid = |text: String| text.split(' ').next().unwrap().to_owned();
    let first = pid(lab.tell(&one, "where", json!({})).await);
    assert_eq!(first, pid(lab.tell(&two, "where", json!({})).await));
    drop(one);
    assert_eq!(first, pid(lab.tell(&two, "where", json!({})).await), "the other session still has it");
    let elsewhere = tempfile::tempdir().unwrap();
    let third = lab.mcp.open(&[lab.server(&[])], Remembered::default(), &Home::new(elsewhere.path(), &[]));
    third.settled(LIMIT).await;
    assert_ne!(first, pid(lab.tell(&third, "where", json!({})).await), "another directory is another server");
    drop((two, third));
    wait_until("both to end", LIMIT, || lab.log().lines().filter(|line| *line == "end").count() == 2).await;
}

#[tokio::test]
async fn what_was_listed_before_is_there_before_the_server_is() {
    let lab = Lab::new();
    let set = lab.ready(&[]).await;
    let remembered = set.remembered();
    let as_text = serde_json::to_string(&remembered).unwrap();
    drop(set);
    let remembered: Remembered = serde_json::from_str(&as_text).unwrap();
    let deaf = McpServer { args: vec!["--deaf".to_owned()], ..lab.server(&[]) };
    let other = lab.mcp.open(&[deaf], remembered.clone(), &lab.home());
    assert!(other.tools().is_empty(), "another configuration is another server");
    let set = lab.mcp.open(&[lab.server(&[])], remembered, &lab.home());
    assert_eq!(set.tools().len(), 13);
    assert_eq!(lab.tell(&set, "echo", json!({ "text": "waited" })).await, "waited");
}

#[tokio::test]
async fn a_stubborn_server_ends_with_all_it_started() {
    for is_supervised in [true, false] {
        let lab = Lab::with(is_supervised);
        let mark = format!("7{:05}.{}", std::process::id(), u8::from(is_supervised));
        let set = lab.ready(&["--stubborn", &mark]).await;
        let living = || wharf_testkit::process::processes_with(&mark);
        wait_until("its children", LIMIT, || living().len() >= 9).await;
        if is_supervised {
            all_are_held_as_commands_are(&living()).await;
        }
        drop(set);
        wait_until("their end", LIMIT, || living().is_empty()).await;
        lab.mcp.close(LIMIT).await;
    }
}

/// In one control group of their own, where the machine lets one be made, which a command shows.
#[cfg(target_os = "linux")]
async fn all_are_held_as_commands_are(pids: &[u32]) {
    let command = Bench::new().in_bash("cat /proc/self/cgroup").await;
    let depth = |groups: &str| groups.matches("/wharf-").count();
    let groups = pids.iter().filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok());
    let groups: std::collections::BTreeSet<String> = groups.collect();
    assert_eq!(
        groups.iter().map(|groups| depth(groups)).collect::<Vec<_>>(),
        [depth(&command)],
        "{groups:?}, {command}"
    );
}

#[cfg(not(target_os = "linux"))]
async fn all_are_held_as_commands_are(_: &[u32]) {}

#[tokio::test]
async fn a_server_starts_nowhere_but_in_the_allowed_directories() {
    for is_supervised in [true, false] {
        let lab = Lab::with(is_supervised);
        let (root, outside) = (lab.dir.path().join("root"), lab.dir.path().join("outside"));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("x")).unwrap();
        let home = Home::new(root.join("x"), std::slice::from_ref(&root));
        let set = lab.mcp.open(&[lab.server(&[])], Remembered::default(), &home);
        set.settled(LIMIT).await;
        let state = set.states().pop().unwrap();
        let why = state.error.unwrap_or_default();
        assert!(why.contains("leads out of the allowed directories"), "{why}");
        assert!(!lab.dir.path().join("log").exists(), "it ran");
    }
}
