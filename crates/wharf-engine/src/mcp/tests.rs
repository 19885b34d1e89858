//! The files beside the log that hold a session's servers.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use wharf_protocol::mcp::NamedValue;

use super::*;

fn server() -> McpServer {
    let env = vec![NamedValue { name: "TOKEN".to_owned(), value: "secret".to_owned() }];
    McpServer { name: "s".to_owned(), command: Some("/bin/true".into()), env, ..McpServer::default() }
}

#[test]
fn what_is_kept_is_whole_and_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mcp/session-1.json");
    // A file that a killed process left half written is in nobody's way.
    std::fs::create_dir(dir.path().join("mcp")).unwrap();
    std::fs::write(path.with_extension("json.new"), "half").unwrap();
    for _ in 0..2 {
        write(&path, &Kept { servers: vec![server()], tools: Remembered::default() }, true).unwrap();
    }
    assert_eq!(read(&path).unwrap().servers, [server()]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!path.with_extension("json.new").exists());
    std::fs::write(&path, "{").unwrap();
    assert!(read(&path).is_err(), "damaged is not empty");
    assert_eq!(read(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn only_old_files_are_leftovers() {
    let dir = tempfile::tempdir().unwrap();
    for (name, age) in [("old.json", 7_200), ("fresh.json", 60), ("old.json.new", 7_200), ("-no-id.json", 7_200)] {
        let file = File::create(dir.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    let found: Vec<String> = leftovers(dir.path()).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["old"]);
    assert!(leftovers(&dir.path().join("none")).is_empty());
}
