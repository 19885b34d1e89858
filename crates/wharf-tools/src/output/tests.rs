//! What does not fit is kept.

use super::*;

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
