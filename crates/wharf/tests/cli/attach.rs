//! `wharf attach` with lines from a pipe.

use crate::Home;

#[test]
fn lines_are_taken_in_turn() {
    let home = Home::new();
    let ran = home.run_with_input(
        &["attach"],
        "read notes.txt\n/mode full\nrun `echo from-attach > made.txt`\n/session\n/sessions\n/tools\n/agents\n/models\n/queue\n/permissions\n/exit\nnever read\n",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("second line"), "{}", ran.out);
    assert_eq!(std::fs::read_to_string(home.workspace().join("made.txt")).unwrap(), "from-attach\n");
    for word in ["session-", "edit_file", "planner", "demo/demo", "nothing waits", "no open questions"] {
        assert!(ran.out.contains(word), "no {word} in {}", ran.out);
    }
    assert!(ran.err.contains("mode full"), "{}", ran.err);
    assert_eq!(home.sessions().len(), 1);
}

#[test]
fn mistakes_are_told_and_the_rest_goes_on() {
    let home = Home::new();
    let ran = home.run_with_input(&["attach"], "/sesions\n/mode yolo\n/session session-missing\nlist the files");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("did you mean /sessions?"), "{}", ran.err);
    assert!(ran.err.contains("unknown permission mode"), "{}", ran.err);
    assert!(ran.err.contains("not found"), "{}", ran.err);
    assert!(ran.out.contains("notes.txt"), "the last line has no end, and counts: {}", ran.out);
}

#[test]
fn sessions_are_made_switched_and_cleared() {
    let home = Home::new();
    let first = home.run_with_input(&["attach"], "list the files\n");
    assert_eq!(first.code, Some(0), "{}", first.err);
    let id = home.sessions()[0]["id"].as_str().unwrap().to_owned();
    let input = format!("/new\nread notes.txt\n/session {id}\n/clear\nlist the files\n");
    let ran = home.run_with_input(&["attach"], &input);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("what was said is forgotten"), "{}", ran.err);
    assert_eq!(home.sessions()[0]["id"], id.as_str(), "the last change was there");
}

#[test]
fn a_server_is_found_and_goes_on() {
    let home = Home::new();
    let server = home.serve(&[]);
    let ran = home.run_with_input(&["attach"], "list the files\n");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let url = home.discovery()["url"].as_str().unwrap().to_owned();
    let id = home.sessions()[0]["id"].as_str().unwrap().to_owned();
    let ran = home.run_with_input(&["attach", &url, "--session", &id], "read notes.txt\n");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("second line"), "{}", ran.out);
    assert_eq!(home.sessions().len(), 1);
    drop(server);
}
