//! Foreign text that cannot steer the terminal; styles.

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
