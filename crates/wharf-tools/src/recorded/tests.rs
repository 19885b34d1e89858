//! Ends that a keeper wrote down, as the model is told of them.

use serde_json::{Value, json};

use super::*;

/// What a call came to whose command ended so; it had put out one line.
fn outcome(how: Value) -> Option<Result<ToolOutput, ToolError>> {
    let (dir, call) = (tempfile::tempdir().unwrap(), CallId::from_bits(7));
    let output = format!("{call}.txt");
    std::fs::write(dir.path().join(&output), "built\n").unwrap();
    // As every version has written it.
    let status = json!({
        "call_id": call, "started_ms": 1_000, "output": output,
        "ended": {
            "at_ms": 1_250, "end": how, "bytes": 6, "kept_bytes": 6, "output": output, "strays": 0, "survivors": 0,
        },
    });
    std::fs::write(dir.path().join(format!("{call}.status.json")), status.to_string()).unwrap();
    recorded(dir.path(), &call, 30_000).unwrap().outcome
}

#[test]
fn an_end_that_was_written_down_is_the_outcome() {
    let output = outcome(json!({ "how": "exited", "code": 3 })).unwrap().unwrap();
    assert_eq!((output.result.as_str(), output.exit_code), ("built\n[exit code 3]", Some(3)));
    let timed_out = ToolError::TimedOut { after_ms: 250, output: "built\n".into() };
    assert_eq!(outcome(json!({ "how": "timed_out" })), Some(Err(timed_out)));
    assert_eq!(outcome(json!({ "how": "abandoned" })), None);
}
