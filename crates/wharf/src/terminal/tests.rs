//! Foreign text that cannot steer the terminal; styles.

use wharf_protocol::permission::PlannedCommand;
use wharf_protocol::transcript::QuestionEntry;

use super::*;

#[test]
fn nothing_steers_the_terminal() {
    assert_eq!(clean("plain äö €\n\ttext"), "plain äö €\n\ttext");
    assert_eq!(clean("\x1b]0;title\x07"), "␛]0;title␇");
    assert_eq!(clean("a\x1b[2Jb\x08c\x7f"), "a␛[2Jb␈c␡");
    assert_eq!(clean("line\r\nover\rwritten"), "line\nover␍written");
    assert_eq!(clean("\u{9b}31m"), "\\u{9b}31m");
    assert_eq!(clean("a\u{202e}b"), "a\\u{202e}b");
    assert_eq!(clean_json("{\"a\":\"\u{9b}x\u{7f}ö\"}"), "{\"a\":\"\\u009bx\\u007fö\"}");
}

#[test]
fn one_line_is_one_line() {
    assert_eq!(one_line("\n\n  first\nsecond", 80), "first");
    assert_eq!(one_line("123456", 4), "123…");
    assert_eq!(one_line("", 4), "");
}

#[test]
fn plain_style_adds_nothing() {
    assert_eq!(Style::plain().error("x"), "x");
    assert_eq!(Style { coloured: true }.dim("x"), "\x1b[2mx\x1b[0m");
}

#[test]
fn a_question_shows_what_a_command_would_run() {
    let planned = |text: &str, started_by, asked: Option<&str>| PlannedCommand {
        text: text.to_owned(),
        started_by,
        asked: asked.map(str::to_owned),
    };
    let shown = |commands: Vec<PlannedCommand>, not_understood: Option<&str>| {
        let mut question: QuestionEntry = serde_json::from_value(serde_json::json!({
            "permission_id": "p", "call_id": "c", "tool_name": "bash",
            "question": "Run bash", "expires_at": "2026-11-30T00:00:00Z",
        }))
        .unwrap();
        question.commands = commands;
        question.not_understood = not_understood.map(str::to_owned);
        preview_lines(Style::plain(), &question).join("\n")
    };
    let commands = vec![
        planned("timeout 5 tee a", None, None),
        planned("tee a", Some(0), Some("no rule allows it")),
        planned("cat b\u{1b}[2J", None, None),
    ];
    assert_eq!(
        shown(commands, None),
        "  | 1 timeout 5 tee a\n  | 2 tee a (no rule allows it, started by 1)\n  | 3 cat b␛[2J"
    );
    assert_eq!(
        shown(vec![planned("make", None, Some("no rule allows it"))], Some("a quote is not closed")),
        "  no rule allows it\n  it is not known what it would run: a quote is not closed"
    );
}
