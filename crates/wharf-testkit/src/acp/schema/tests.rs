//! Messages off the schema, or not advertised, are caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Whether an agent may send this to a client with these capabilities, after it was asked for `session/new` as request 1.
fn may_send(capabilities: Value, message: Value) -> bool {
    let mut schema = Schema::default();
    schema.sent(&json!({ "id": 0, "method": "initialize", "params": { "clientCapabilities": capabilities } }));
    schema.sent(&json!({ "id": 1, "method": "session/new" }));
    catch_unwind(AssertUnwindSafe(|| schema.received(&message.to_string()))).is_ok()
}

fn call(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

fn update(update: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "sessionId": "s", "update": update } })
}

fn answer(result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "result": result })
}

#[test]
fn what_is_off_the_schema_is_caught() {
    let chunk = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "a" } });
    assert!(may_send(json!({}), update(chunk.clone())));
    let mut with_more = chunk;
    with_more["colour"] = "red".into();
    assert!(!may_send(json!({}), update(with_more)));
    for wrong in [
        json!({ "sessionUpdate": "agent_message_chunk" }),
        json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "a" }, "messageId": null }),
        json!({ "sessionUpdate": "no_such_update" }),
        json!({ "sessionUpdate": "current_mode_update", "modeId": "plan" }),
        json!({ "sessionUpdate": "tool_call", "toolCallId": "t", "title": "x", "status": "odd" }),
    ] {
        assert!(!may_send(json!({}), update(wrong.clone())), "{wrong}");
    }
}

#[test]
fn what_is_no_message_is_caught() {
    assert!(may_send(json!({}), answer(json!({ "sessionId": "s" }))));
    assert!(!may_send(json!({}), answer(json!({ "session": "s" }))));
    assert!(!may_send(json!({}), json!({ "jsonrpc": "2.0", "id": 2, "result": {} })), "nobody asked");
    assert!(!may_send(json!({}), json!({ "jsonrpc": "2.0", "id": 1 })));
    assert!(!may_send(json!({}), json!({ "jsonrpc": "1.0", "id": 1, "result": { "sessionId": "s" } })));
    assert!(!may_send(json!({}), json!([])));
    let error = |message: &str| json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32603, "message": message } });
    assert!(may_send(json!({}), error("Internal error")));
    assert!(!may_send(json!({}), error("two\nlines")));
    assert!(!may_send(json!({}), json!({ "jsonrpc": "2.0", "id": 1, "extra": 1, "result": { "sessionId": "s" } })));
}

#[test]
fn what_was_not_advertised_is_caught() {
    let read = call("fs/read_text_file", json!({ "sessionId": "s", "path": "/a" }));
    let terminal = call("terminal/release", json!({ "sessionId": "s", "terminalId": "t" }));
    let notice = update(json!({ "sessionUpdate": "notice", "severity": "info", "title": "a" }));
    let option = json!({ "id": "a", "name": "A", "type": "boolean", "currentValue": true });
    let option = answer(json!({ "sessionId": "s", "configOptions": [option] }));
    for (message, capabilities) in [
        (read, json!({ "fs": { "readTextFile": true } })),
        (terminal, json!({ "terminal": true })),
        (notice, json!({ "session": { "notices": {} } })),
        (option, json!({ "session": { "configOptions": { "boolean": {} } } })),
    ] {
        assert!(!may_send(json!({}), message.clone()), "{message}");
        assert!(may_send(capabilities, message.clone()), "{message}");
    }
    assert!(!may_send(json!({}), call("_wharf/ask", json!({}))));
    assert!(!may_send(json!({}), call("session/prompt", json!({}))));
}
