//! What other processes of this user, and root, see of the program.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Home, finish, until};

const NOBODY: u32 = 65_534;
const KEY: &str = "sk-a-key-that-nobody-may-see";

/// Goes up from a command to keeper, supervisor and server, and tries to look into each.
const CLIMB: &str = r#"p=$PPID
while [ "${p:-0}" -gt 1 ]; do
  case "$(tr '\0' ' ' < /proc/$p/cmdline)" in
    *__keep*|*__supervise*|*ask\ --unattended*)
      echo "looked at $p"
      tr '\0' '\n' < /proc/$p/environ | sed 's/^/variable: /'
      dd if=/proc/$p/mem bs=1 count=1 2>&1 | sed 's/^/mem: /'
    ;;
  esac
  p=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$p/status)
done
env
"#;

/// The program as a user without rights, where the test has the rights to make it one.
fn command(home: &Home, args: &[&str]) -> Command {
    let mut command = home.command(args);
    command.env("OPENAI_API_KEY", KEY).env("MY_SECRET", KEY).env("HTTPS_PROXY", format!("http://u:{KEY}@127.0.0.1:9"));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn home() -> Home {
    let home = Home::new();
    if rustix::process::geteuid().is_root() {
        let top = home.workspace().parent().unwrap().to_owned();
        for path in [top.clone(), home.workspace(), home.user()] {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        std::fs::set_permissions(top, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    home
}

/// The binary may lie where another user does not come.
fn is_reachable(home: &Home) -> bool {
    command(home, &["--version"]).status().is_ok_and(|status| status.success())
}

#[test]
fn a_command_sees_nothing_of_keeper_supervisor_and_server() {
    let home = home();
    if !is_reachable(&home) {
        return;
    }
    std::fs::write(home.workspace().join("climb.sh"), CLIMB).unwrap();
    let prompt = "run `sh climb.sh > climb.out 2>&1`";
    let ran = finish(command(&home, &["ask", "--unattended", "--permission", "full", prompt]).spawn().unwrap());
    let seen = std::fs::read_to_string(home.workspace().join("climb.out")).unwrap_or_default();
    assert_eq!(ran.code, Some(0), "{}{}{seen}", ran.out, ran.err);
    assert_eq!(seen.matches("looked at").count(), 3, "{seen}");
    assert!(!seen.contains("variable: ") && !seen.contains(KEY), "{seen}");
    assert_eq!(seen.matches("ermission denied").count(), 6, "{seen}");
}

#[test]
fn root_finds_no_key_in_the_environment() {
    let home = Home::new();
    let log = std::fs::File::create(home.workspace().join("log")).unwrap();
    let mut server = home.command(&["serve", "--port", "0"]);
    server.env("OPENAI_API_KEY", KEY).stdout(Stdio::null()).stderr(log);
    let mut server = server.spawn().unwrap();
    until("the server is announced", || {
        let text = std::fs::read(home.state().join("server.json")).unwrap_or_default();
        serde_json::from_slice::<Value>(&text).is_ok_and(|found| found["pid"] == server.id())
    });
    // Not as root: refused.
    let seen = std::fs::read(format!("/proc/{}/environ", server.id())).unwrap_or_default();
    let command_line = std::fs::read(format!("/proc/{}/cmdline", server.id())).unwrap();
    let links = std::fs::read_dir(format!("/proc/{}/fd", server.id())).into_iter().flatten().flatten();
    let targets: Vec<String> =
        links.filter_map(|link| Some(std::fs::read_link(link.path()).ok()?.to_string_lossy().into_owned())).collect();
    let _ = server.kill();
    let _ = server.wait();
    let text = String::from_utf8_lossy(&seen);
    assert!(!text.contains(KEY), "{text}");
    assert!(command_line.ends_with(b"serve\0--port\x000\0"), "{}", String::from_utf8_lossy(&command_line));
    assert!(!targets.iter().any(|target| target.contains("wharf-environment")), "{targets:?}");
}

#[test]
fn variables_still_do_what_they_say() {
    let home = Home::new();
    let shown = finish(home.command(&["config", "show"]).env("WHARF_SERVER_PORT", "4711").spawn().unwrap());
    assert!(shown.out.contains("4711") && shown.out.contains("WHARF_SERVER_PORT"), "{}", shown.out);
    // A descriptor that is not ours is left alone.
    let odd = finish(home.command(&["config", "show"]).env("WHARF_SEALED_ENVIRONMENT", "1").spawn().unwrap());
    assert_eq!((odd.code, odd.err.as_str()), (Some(0), ""));
}
