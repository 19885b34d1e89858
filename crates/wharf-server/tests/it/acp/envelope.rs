//! What is a message, what is a version, and how errors look.

use serde_json::{Value, json};

use super::client::Client;
use crate::support::{READER, TestServer};

#[tokio::test]
async fn what_is_no_message_gets_one_error_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    for (frame, code) in [
        ("{", -32700),
        ("nonsense", -32700),
        ("", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"session/list"}]"#, -32600),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"id":1,"method":"session/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"session/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":7}"#, -32600),
    ] {
        client.send_text(frame).await;
        let answer = client.next().await;
        assert_eq!(answer["error"]["code"], code, "{frame}: {answer}");
        if !frame.starts_with(r#"{"id":1"#) {
            assert_eq!(answer["id"], Value::Null, "{frame}");
        }
    }
    client.call("session/list", json!({})).await;
}

#[tokio::test]
async fn ids_come_back_as_they_were_sent() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    for id in [json!(0), json!(-7), json!("a \"b\" ü"), json!(""), json!(9_007_199_254_740_993_i64), json!(null)] {
        client.send(json!({ "jsonrpc": "2.0", "id": id, "method": "_what" })).await;
        let answer = client.next().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32601)));
        assert_eq!(answer["error"]["data"], "_what");
    }
}

#[tokio::test]
async fn one_version_is_spoken_whatever_is_asked_for() {
    let server = TestServer::start().await;
    let mut client = Client::connect(&server, "/acp", None).await;
    assert!(!client.headers["acp-connection-id"].is_empty());
    let early = client.fail("session/new", json!({ "cwd": "/", "mcpServers": [] })).await;
    assert_eq!(early["code"], -32600);
    assert!(early["message"].as_str().unwrap().starts_with("ACP initialization must complete before"));
    let wrong = client.fail("initialize", json!({ "protocolVersion": "1" })).await;
    assert_eq!(wrong["code"], -32602);
    for version in [1, 65535, 0, 2] {
        let answer = client.call("initialize", json!({ "protocolVersion": version })).await;
        assert_eq!(answer["protocolVersion"], 1);
        assert_eq!(answer["agentInfo"]["name"], "wharf");
        assert_eq!(answer["agentCapabilities"]["loadSession"], true);
    }
}

#[tokio::test]
async fn notifications_are_never_answered() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    client.notify("_what", json!({})).await;
    client.notify("session/cancel", json!({ "sessionId": "nobody" })).await;
    client.notify("session/cancel", json!({ "nonsense": true })).await;
    client.notify("$/cancel_request", json!({ "requestId": 77 })).await;
    client.send(json!({ "jsonrpc": "2.0", "id": "perm-00", "result": {} })).await;
    assert_eq!(client.settle().await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_socket_of_the_envelope_protocol_speaks_acp_too() {
    let server = TestServer::start().await;
    let mut client = Client::connect(&server, "/ws", Some("acp")).await;
    assert_eq!(client.headers["sec-websocket-protocol"], "acp");
    client.call("initialize", json!({ "protocolVersion": 1 })).await;
    let session = client.new_session(&server).await;
    assert_eq!(client.turn(&session, "hello").await.1, "end_turn");
}

#[tokio::test]
async fn a_key_without_rights_reads_and_no_more() {
    let server = TestServer::start().await;
    let mut client = Client::connect_with(&server, "/acp", None, READER).await;
    client.call("initialize", json!({ "protocolVersion": 1 })).await;
    client.call("session/list", json!({})).await;
    let refused = client.fail("session/new", json!({ "cwd": "/", "mcpServers": [] })).await;
    assert_eq!((refused["code"].as_i64(), refused["data"]["reason"].as_str()), (Some(-32603), Some("FORBIDDEN")));
    assert_eq!(client.fail("authenticate", json!({ "methodId": "key" })).await["code"], -32602);
    client.call("logout", json!({})).await;
}
