use super::*;

fn outcome(frame: &str) -> String {
    match read(frame.as_bytes()) {
        Ok(request) => format!("{}: {:?}", request.id, request.action),
        Err(Malformed { id, error }) => format!("{}: {} {}", id.unwrap_or_default(), error.code, error.error),
    }
}

#[test]
fn requests_are_read_and_errors_name_the_field() {
    let frames = [
        r#"{"type":"request","id":"1","timestamp":"2026-11-20T12:25:47.646098","payload":{"action":"ping"}}"#,
        r#"{"id":"1","payload":{"action":"cancel","force":true,"channel":"x"}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"subscribe","after":3}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"subscribe","after":-3}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"prompt"}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"dance"}}"#,
        r#"{"type":"request","id":"1","payload":{}}"#,
        r#"{"type":"request","id":"1","payload":null}"#,
        r#"{"type":"event","id":"1","payload":{"action":"ping"}}"#,
        r#"{"type":"request","id":7,"payload":{"action":"ping"}}"#,
        r#"{"type":"request","#,
        r#"[1]"#,
        "",
    ];
    let outcomes: Vec<String> = frames.into_iter().map(outcome).collect();
    insta::assert_snapshot!(outcomes.join("\n"));
}
