//! Line ends there and back.

use super::*;

fn changed(stored: &str, old: &str, new: &str) -> String {
    let (text, ends) = Ends::fold(stored.to_owned());
    ends.unfold(&text.replacen(old, new, 1))
}

#[test]
fn lines_that_stay_keep_their_ends_and_new_ones_get_those_of_most() {
    assert_eq!(changed("a\r\nb\r\nc\nd\r\n", "b\n", "x\ny\n"), "a\r\nx\r\ny\r\nc\nd\r\n");
    assert_eq!(changed("a\r\nb\nc\n", "b\n", "x\ny\n"), "a\r\nx\ny\nc\n");
    // Several places, a moved one, and the last line without an end.
    assert_eq!(changed("a\nb\r\nc\r\nd", "c\nd", "d\nc\ne"), "a\nb\r\nd\r\nc\r\ne");
    // A carriage return that is no part of a line end stays.
    assert_eq!(changed("a\r\r\nb\n", "b", "c"), "a\r\r\nc\n");
    assert_eq!(changed("a\rb\r\nc\r\n", "c", "d"), "a\rb\r\nd\r\n");
    let (_, ends) = Ends::fold("a\r\nb\r\nc\n".to_owned());
    assert_eq!(ends.unfold("a\nx\r\nc\n"), "a\r\nx\r\nc\n", "no end is doubled");
    assert_eq!(ends.unfold_whole("a\nc\n"), "a\r\nc\r\n");
    assert!(ends.note().unwrap().contains("2 CRLF, 1 LF"));
    assert_eq!(Ends::fold("a\nb\n".to_owned()).1.note(), None);
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_comes_back_as_it_was_stored(stored in "[ab\r\n]{0,60}") {
            let (text, ends) = Ends::fold(stored.clone());
            prop_assert_eq!(ends.unfold(&text), stored);
        }

        #[test]
        fn only_line_ends_are_chosen(stored in "([ab]{0,2}(\r\n|\n)){0,20}", new in "([abc]{0,2}\n){0,20}") {
            let (_, ends) = Ends::fold(stored);
            prop_assert_eq!(ends.unfold(&new).replace("\r\n", "\n"), new.as_str());
            let whole = ends.unfold_whole(&new);
            let crlf = whole.matches("\r\n").count();
            prop_assert_eq!(crlf, if ends.is_mostly_crlf() { new.matches('\n').count() } else { 0 });
        }

        #[test]
        fn what_is_around_a_change_stays_to_the_byte(
            before in "([ab]{1,2}(\r\n|\n)){0,12}",
            after in "([ab]{1,2}(\r\n|\n)){0,12}",
            new in "([xy]{1,2}\n){0,4}",
        ) {
            let (text, ends) = Ends::fold(format!("{before}ZZ\n{after}"));
            let stored = ends.unfold(&text.replace("ZZ\n", &new));
            prop_assert!(stored.starts_with(&before), "{stored:?}");
            prop_assert!(stored.ends_with(&after), "{stored:?}");
        }
    }
}
