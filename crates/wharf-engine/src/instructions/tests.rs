//! Sections: in order, and none where a source has nothing to say.

use std::path::PathBuf;

use wharf_protocol::event::SessionCreated;
use wharf_protocol::{Event, EventBody, Mode, RecoveryPolicy, Seq, Session, Timestamp};

use super::*;
use crate::builtin_agents;

fn session(additional_directories: &[&str]) -> Session {
    let created = SessionCreated {
        cwd: "/repo".into(),
        additional_directories: additional_directories.iter().map(PathBuf::from).collect(),
        agent_name: "coder".to_owned(),
        model: "demo/demo".to_owned(),
        mode: Mode::Ask,
        thinking: None,
        tool_location: None,
        title: None,
        recovery: RecoveryPolicy::Server,
        forked_from: None,
    };
    let event = Event {
        seq: Seq(1),
        session_id: "s".parse().unwrap(),
        turn_id: None,
        timestamp: Timestamp(0),
        body: EventBody::SessionCreated(created),
    };
    Session::from_created(&event).unwrap()
}

#[test]
fn the_agent_comes_first_and_then_the_workspace() {
    let agent = Agent { instructions: "Be brief.".to_owned(), ..builtin_agents().remove(0) };
    let os = std::env::consts::OS;
    let text =
        |session: &Session| Instructions::new(Some("/bin/bash".into())).text(&Addressee { agent: &agent, session });
    assert_eq!(
        *text(&session(&[])),
        format!("Be brief.\n\nWorkspace: /repo\nOperating system: {os}\nShell: /bin/bash")
    );
    let further = format!(
        "Be brief.\n\nWorkspace: /repo\nFurther directories, by absolute paths: /a, /b\nOperating system: {os}\nShell: /bin/bash"
    );
    assert_eq!(*text(&session(&["/a", "/b"])), further);
    // An agent that runs no commands has no shell.
    let explorer = builtin_agents().remove(1);
    let told =
        Instructions::new(Some("/bin/bash".into())).text(&Addressee { agent: &explorer, session: &session(&[]) });
    assert!(told.ends_with(&format!("Operating system: {os}")), "{told}");
}

#[test]
fn a_source_with_nothing_to_say_leaves_no_gap() {
    struct Silent;
    impl InstructionSource for Silent {
        fn section(&self, _to: &Addressee<'_>) -> Option<String> {
            None
        }
    }
    let agent = Agent { instructions: "Be brief.".to_owned(), ..builtin_agents().remove(0) };
    let sources = Instructions(vec![Box::new(Silent), Box::new(OfAgent), Box::new(Silent)]);
    assert_eq!(*sources.text(&Addressee { agent: &agent, session: &session(&[]) }), *"Be brief.");
}
