//! Limits hold, whatever the text.

use super::*;

proptest::proptest! {
    #[test]
    fn a_cut_text_keeps_its_limit(text in "(?s).{0,3000}", limit in 0usize..2000) {
        let short = cut(&text, limit, None);
        proptest::prop_assert!(short.len() <= limit);
        if text.len() <= limit {
            proptest::prop_assert_eq!(short, text);
        }
    }
}
