//! `wharf sessions fork`, `export` and `import`, without a server.

use crate::Home;

#[test]
fn a_session_is_forked_exported_and_imported() {
    let home = Home::new();
    assert_eq!(home.run(&["ask", "hello"]).code, Some(0));
    let id = home.sessions()[0]["id"].as_str().unwrap().to_owned();

    let forked = home.run(&["sessions", "fork", &id, "--at", "1"]);
    assert_eq!(forked.code, Some(0), "{}", forked.err);
    let fork = forked.out.trim().to_owned();
    assert!(home.sessions().iter().any(|session| session["id"] == fork.as_str()));

    let file = home.workspace().join("session.jsonl");
    let path = file.to_str().unwrap();
    let exported = home.run(&["sessions", "export", &id, path]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    assert_ne!(home.run(&["sessions", "export", &id, path]).code, Some(0), "never written over");
    assert_eq!(home.run(&["sessions", "export", &id]).out, std::fs::read_to_string(&file).unwrap());
    let imported = home.run(&["sessions", "import", path]);
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    let shown = home.run(&["sessions", "show", imported.out.trim()]);
    assert!(shown.out.contains("hello"), "{}", shown.out);

    // What the doctor saves is the same.
    let dir = home.workspace().join("saved");
    let saved = home.run(&["doctor", "export", dir.to_str().unwrap()]);
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    let saved = dir.join(format!("{id}.jsonl"));
    assert_eq!(std::fs::read_to_string(&saved).unwrap(), std::fs::read_to_string(&file).unwrap());

    std::fs::write(&file, "not an export\n").unwrap();
    let refused = home.run(&["sessions", "import", path]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("line 1"), "{}", refused.err);
}
