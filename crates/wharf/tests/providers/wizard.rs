//! `wharf init model`: on a terminal and with flags. What it writes works, what was there stays, and nobody sees the key.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use wharf_testkit::{Reply, ScriptedModel, wait_until};

use crate::{Installation, PATIENCE};

const KEY: &str = "sk-typed-and-secret";

/// A command on a terminal of its own.
struct Terminal {
    master: File,
    child: Child,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(installation: &Installation, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
        let end = || Stdio::from(OwnedFd::from(slave.try_clone().unwrap()));
        let child = installation.command(args).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let master = File::from(master);
        let (seen, mut reader) = (Arc::default(), master.try_clone().unwrap());
        let shown: Arc<Mutex<String>> = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails once the command has ended and the terminal is closed.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { master, child, seen }
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for a question, and answers it.
    async fn answer(&mut self, question: &str, answer: &str) {
        let asked = || self.seen().contains(question);
        wait_until(question, PATIENCE, asked).await;
        // What is asked next is looked for in what comes after.
        let at = self.seen().find(question).unwrap() + question.len();
        self.seen.lock().unwrap().replace_range(..at, "");
        self.master.write_all(answer.as_bytes()).unwrap();
        self.master.write_all(b"\n").unwrap();
    }

    async fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until("the end", PATIENCE, || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        })
        .await;
        code.and_then(|status| status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const BEFORE: &str = "# mine\nlog = \"info\" # why not\n\n[turns]\n# three is enough\nmodel_attempts = 3\n";

#[tokio::test]
async fn a_person_is_asked_and_the_key_is_never_shown() {
    let model = ScriptedModel::start().await;
    model.default_reply(Reply::text("yes"));
    let installation = Installation::new(BEFORE);
    let mut terminal = Terminal::start(&installation, &["init", "model"]);
    terminal.answer("provider [openai]: ", &model.url()).await;
    terminal.answer("a name for it [custom]: ", "lab").await;
    terminal.answer("[openai]: ", "").await;
    terminal.answer("it is not shown; empty for none): ", KEY).await;
    terminal.answer("by its name or number [scripted]: ", "1").await;
    terminal.answer("use it for new sessions? [Y/n] ", "y").await;
    assert_eq!(terminal.ended().await, Some(0), "{}", terminal.seen());
    wait_until("the last words", PATIENCE, || terminal.seen().contains("config reload")).await;
    assert!(!terminal.seen().contains("secret"), "{}", terminal.seen());
    assert_eq!(model.requests()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));

    let text = fs::read_to_string(installation.config_file()).unwrap();
    for kept in ["# mine\n", "log = \"info\" # why not\n", "# three is enough\nmodel_attempts = 3\n"] {
        assert!(text.contains(kept), "{text}");
    }
    assert!(text.contains("model = \"lab/scripted\"") && text.contains("[providers.lab]"), "{text}");
    assert!(!text.contains("secret") && !text.contains("[providers]\n"), "{text}");
    let backup = fs::read_to_string(installation.config_file().with_file_name("config.toml.wharf-backup")).unwrap();
    assert_eq!(backup, BEFORE);
    let key = installation.home().join(".config/wharf/keys/lab");
    assert_eq!((fs::read_to_string(&key).unwrap().trim(), mode(&key)), (KEY, 0o600));
    assert_eq!(mode(key.parent().unwrap()), 0o700);

    let ran = installation.run(&["ask", "--mode", "embedded", "--unattended", "Hello"]).await;
    assert!(ran.code == Some(0) && ran.out.contains("yes"), "{ran:?}");
    let last = model.requests().last().unwrap().header("authorization").map(str::to_owned);
    assert_eq!(last, Some(format!("Bearer {KEY}")));
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_written() {
    let model = ScriptedModel::start().await;
    model.default_reply(Reply::http_error(401, "no such key"));
    let installation = Installation::new(BEFORE);
    let mut terminal = Terminal::start(&installation, &["init", "model", "anthropic", "--base-url", &model.url()]);
    terminal.answer("it is not shown): ", KEY).await;
    terminal.answer("by its name or number [claude-sonnet-5-5]: ", "").await;
    assert_eq!(terminal.ended().await, Some(1), "{}", terminal.seen());
    wait_until("the reason", PATIENCE, || terminal.seen().contains("nothing was written")).await;
    let seen = terminal.seen();
    assert!(seen.contains("no such key") && !seen.contains("secret"), "{seen}");
    assert_eq!(fs::read_to_string(installation.config_file()).unwrap(), BEFORE);
    assert!(!installation.home().join(".config/wharf/keys").exists());
}

#[tokio::test]
async fn cancelled_at_the_key_it_leaves_everything_and_the_terminal_as_they_were() {
    let installation = Installation::new(BEFORE);
    let mut terminal = Terminal::start(&installation, &["init", "model", "openai"]);
    terminal.answer("it is not shown): ", "sk-sec\u{3}").await;
    assert_eq!(terminal.ended().await, Some(3), "{}", terminal.seen());
    assert_eq!(fs::read_to_string(installation.config_file()).unwrap(), BEFORE);
    let modes = rustix::termios::tcgetattr(&terminal.master).unwrap().local_modes;
    assert!(modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ICANON));
}

#[tokio::test]
async fn flags_say_everything_where_nobody_can_be_asked() {
    let model = ScriptedModel::start().await;
    model.default_reply(Reply::text("yes"));
    let installation = Installation::new(BEFORE);
    let url = model.url();
    let mut command = installation.command(&["init", "model", "openai", "--name", "work", "--base-url", &url]);
    command.args(["--model", "scripted", "--protocol", "openai", "--key-env", "WORK_KEY"]).env("WORK_KEY", KEY);
    let ran = crate::finish(command).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let text = fs::read_to_string(installation.config_file()).unwrap();
    assert!(
        text.contains("[providers.work]\npreset = \"openai\"") && text.contains("api_key_env = \"WORK_KEY\""),
        "{text}"
    );
    assert!(text.starts_with("# mine\n") && text.contains("# three is enough"), "{text}");

    // As the default, in place of another one.
    installation.configure(&text.replace("model = \"work/scripted\"", "model = \"old/one\" # for now"));
    let args = ["init", "model", &url, "--name", "box", "--model", "scripted", "--default"];
    let ran = installation.run(&args).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let changed = fs::read_to_string(installation.config_file()).unwrap();
    assert!(changed.contains("model = \"box/scripted\" # for now\n"), "{changed}");
    installation.configure(&text);

    // Once more: it is there, and stays as it is.
    let mut again = installation.command(&["init", "model", "openai", "--name", "work", "--base-url", &url]);
    again.args(["--model", "other", "--no-test", "--key-env", "WORK_KEY"]);
    let ran = crate::finish(again).await;
    assert!(ran.code == Some(1) && ran.err.contains("--force"), "{ran:?}");
    assert_eq!(fs::read_to_string(installation.config_file()).unwrap(), text);

    // From a pipe into a file of its own.
    let mut piped =
        installation.command(&["init", "model", &url, "--name", "lab", "--model", "scripted", "--key-stdin"]);
    let input = installation.home().join("input");
    fs::write(&input, format!("{KEY}\n")).unwrap();
    piped.stdin(File::open(input).unwrap());
    let ran = crate::finish(piped).await;
    assert!(ran.code == Some(0) && !format!("{ran:?}").contains("secret"), "{ran:?}");
    let key = installation.home().join(".config/wharf/keys/lab");
    assert_eq!((fs::read_to_string(&key).unwrap().trim(), mode(&key)), (KEY, 0o600));
    let ran = installation.ask("lab/scripted", &[]).await;
    assert!(ran.code == Some(0) && ran.out.contains("yes"), "{ran:?}");

    for (args, words) in [
        (&["init", "model"][..], "PROVIDER"),
        (&["init", "model", "anthropic"], "--key-env"),
        (&["init", "model", "nobody"], "there are openai"),
        (&["init", "model", "azure", "--key-env", "X"], "--base-url"),
        (&["init", "model", "openai", "--name", "a/b", "--key-env", "X", "--no-test"], "a name is of"),
    ] {
        let ran = installation.run(args).await;
        assert!(ran.code == Some(2) && ran.err.contains(words), "{args:?}: {ran:?}");
    }
    installation.configure("no = [\n");
    let ran = installation.run(&["init", "model", "ollama", "--no-test", "--model", "m"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("config.toml"), "{ran:?}");
}
