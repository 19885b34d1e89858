//! Nothing hides.

use super::*;

#[test]
fn what_hides_is_shown() {
    assert_eq!(text("a\u{1b}[2Jb\u{202e}c\u{200b}d"), "a\\u{1b}[2Jb\\u{202e}c\\u{200b}d");
    assert_eq!(text("one\r\ntwo\tthree\n"), "one\ntwo\tthree\n");
    assert_eq!(line("a\nb\rc", 100), "a\\u{a}b\\u{d}c");
    assert_eq!(text("\u{3164}\u{2800}\u{e0041}\u{9b}"), "\\u{3164}\\u{2800}\\u{e0041}\\u{9b}");
    assert_eq!(text("äöü 漢字 🙂"), "äöü 漢字 🙂", "what has a form stays");
}

#[test]
fn head_and_tail_of_what_is_long() {
    assert_eq!(head_and_tail("ls", 10), ["ls"]);
    let many: String = (1..=100).map(|number| format!("line {number}\n")).collect();
    let shown = head_and_tail(many.trim_end(), 10);
    assert_eq!(shown.len(), 10);
    assert_eq!((shown[0].as_str(), shown[6].as_str()), ("line 1", "[91 lines are not shown]"));
    assert_eq!(shown[9], "line 100", "the end matters");
    let long = format!("start{}rm -rf /", " ".repeat(5_000));
    let shown = head_and_tail(&long, 10);
    assert!(shown[0].starts_with("start") && shown[0].ends_with("rm -rf /"), "{}", shown[0]);
    assert!(shown[0].contains("characters are not shown"));
}

mod fuzz {
    use proptest::prelude::*;

    use super::super::*;

    proptest! {
        #[test]
        fn no_hidden_character_is_left(given in "(\\PC|\\p{C}|[\\x00-\\x1f\u{7f}-\u{9f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\n]){0,600}", lines in 0usize..12) {
            let is_bad = |letter: char| is_hidden(letter) && letter != '\n' && letter != '\t';
            prop_assert!(!text(&given).chars().any(is_bad));
            prop_assert!(!line(&given, 200).chars().any(is_hidden));
            let shown = head_and_tail(&given, lines);
            prop_assert!(shown.len() <= lines.max(3));
            prop_assert!(shown.iter().all(|line| !line.contains('\n') && !line.chars().any(is_bad)));
        }
    }
}
