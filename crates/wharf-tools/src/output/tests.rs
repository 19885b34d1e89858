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

#[tokio::test]
async fn what_does_not_fit_is_in_a_private_file() {
    let mut bench = crate::testing::Bench::new();
    bench.output_limit = 1000;
    let (context, ..) = bench.context();
    let text = "line\n".repeat(1000);
    let output = bounded(text.clone(), &context).await;
    assert!(output.truncated && output.result.len() <= 1000);
    assert_eq!(std::fs::read_to_string(output.output_file.unwrap()).unwrap(), text);
    let second = bounded(text, &context).await.output_file.unwrap();
    assert!(second.to_string_lossy().ends_with("-2.txt"));
}
