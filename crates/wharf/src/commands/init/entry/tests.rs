//! Settings of editors that keep their comments, order and layout.

use std::path::PathBuf;

use expect_test::expect;

use super::*;

fn zed() -> Entry {
    Entry::of(Editor::Zed, &launch("wharf")).unwrap()
}

fn launch(command: &str) -> Launch {
    Launch { command: command.to_owned(), binary: PathBuf::from("/usr/bin/wharf") }
}

/// What becomes of a text: the new one, or why there is none.
fn become_of(text: &str) -> String {
    match zed().put_into(text) {
        Ok(Wanted::Same) => "(the same)".to_owned(),
        Ok(Wanted::New { text }) => {
            assert!(matches!(zed().put_into(&text), Ok(Wanted::Same)), "a second time changes nothing: {text}");
            text
        }
        Ok(Wanted::Replaced { text, old }) => {
            assert!(matches!(zed().put_into(&text), Ok(Wanted::Same)), "a second time changes nothing: {text}");
            format!("(was {old})\n{text}")
        }
        Err(error) => format!("({error})"),
    }
}

#[test]
fn comments_order_and_layout_stay() {
    let text = r#"// Zed settings
{
  /* the theme */ "theme": "One Dark", // dark
  "agent_servers": {
    // mine
    "Other": { "command": "other", "args": [], },
  },
  "vim_mode": true,

  // the end
}
"#;
    expect![[r#"
        // Zed settings
        {
          /* the theme */ "theme": "One Dark", // dark
          "agent_servers": {
            // mine
            "Other": { "command": "other", "args": [], },
            "Wharf": {
              "type": "custom",
              "command": "wharf",
              "args": ["acp", "--start-server"],
            },
          },
          "vim_mode": true,

          // the end
        }
    "#]]
    .assert_eq(&become_of(text));
}

#[test]
fn a_file_without_agents_gets_the_list() {
    expect![[r#"
        {
            "theme": "One Dark",
            "agent_servers": {
                "Wharf": {
                    "type": "custom",
                    "command": "wharf",
                    "args": ["acp", "--start-server"]
                }
            }
        }
    "#]]
    .assert_eq(&become_of("{\n    \"theme\": \"One Dark\"\n}\n"));
    let fresh = expect![[r#"
        {
          "agent_servers": {
            "Wharf": {
              "type": "custom",
              "command": "wharf",
              "args": ["acp", "--start-server"]
            }
          }
        }
    "#]];
    fresh.assert_eq(&become_of(""));
    fresh.assert_eq(&become_of("\n"));
    assert!(become_of("// only a comment\n").starts_with("// only a comment\n{"));
}

#[test]
fn line_ends_and_the_mark_in_front_stay() {
    let text = become_of("\u{feff}{\r\n\t\"a\": 1\r\n}\r\n");
    assert!(text.starts_with("\u{feff}{\r\n\t\"a\": 1,\r\n\t\"agent_servers\""), "{text:?}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
}

#[test]
fn an_entry_that_says_the_same_is_left_alone() {
    let with_more = r#"{ "agent_servers": { "Wharf": { "args": ["acp", "--start-server"], "command": "wharf", "env": { "A": "1" } } } }"#;
    assert_eq!(become_of(with_more), "(the same)");
}

#[test]
fn another_entry_is_shown_and_keeps_what_is_not_ours() {
    let text = r#"{
  "agent_servers": {
    "Wharf": {
      "type": "custom",
      "command": "/old/wharf", // where it was
      "args": ["acp"],
      "env": { "WHARF_KEY": "k" }
    }
  }
}
"#;
    expect![[r#"
        (was "Wharf": {
          "type": "custom",
          "command": "/old/wharf",
          "args": [
            "acp"
          ],
          "env": {
            "WHARF_KEY": "k"
          }
        })
        {
          "agent_servers": {
            "Wharf": {
              "type": "custom",
              "command": "wharf", // where it was
              "args": ["acp", "--start-server"],
              "env": { "WHARF_KEY": "k" }
            }
          }
        }
    "#]]
    .assert_eq(&become_of(text));
}

#[test]
fn what_is_broken_or_unclear_is_refused_with_its_place() {
    let told = |text: &str| become_of(text);
    expect!["(line 2, column 9: Expected comma)"].assert_eq(&told("{\n  \"a\": 1\n  \"b\": 2\n}"));
    expect!["(line 1, column 1: Unterminated object)"].assert_eq(&told("{ \"a\": 1"));
    expect!["(line 1, column 3: Single-quoted strings are not allowed)"].assert_eq(&told("{ 'a': 1 }"));
    expect!["(the file is not an object)"].assert_eq(&told("[]"));
    expect!["(agent_servers is not an object)"].assert_eq(&told(r#"{ "agent_servers": [] }"#));
    expect!["(agent_servers.Wharf is not an object)"].assert_eq(&told(r#"{ "agent_servers": { "Wharf": null } }"#));
    expect!["(agent_servers is there twice)"].assert_eq(&told(r#"{ "agent_servers": {}, "agent_servers": {} }"#));
    expect!["(agent_servers.Wharf.command is there twice)"]
        .assert_eq(&told(r#"{ "agent_servers": { "Wharf": { "command": "a", "command": "b" } } }"#));
    // Deep enough to break a parser that recurses.
    assert!(told(&"[".repeat(100_000)).starts_with("(line"), "depth is bounded");
}

#[test]
fn paths_are_written_as_json() {
    let entry = Entry::of(Editor::JetBrains, &launch("/my \"dir\"\\wharf")).unwrap();
    let Ok(Wanted::New { text }) = entry.put_into("{}") else { panic!("not new") };
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        read["agent_servers"]["Wharf"],
        json!({ "command": "/my \"dir\"\\wharf", "args": ["acp", "--start-server"] })
    );
}
