//! Questions of the agent to the user, as forms of the client.

use serde_json::{Value, json};

use super::editor::{Editor, outcomes};
use crate::support::TestServer;

const ASK: &str = r#"call ask_user {"message":"Which?","fields":[{"name":"color","options":["red","blue"]},{"name":"n","type":"integer","optional":true}]}"#;

async fn opened(capabilities: Value) -> (TestServer, Editor, String) {
    let server = TestServer::start().await;
    let mut editor = Editor::start_as(&server, capabilities).await;
    editor.mute = vec!["elicitation/create"];
    let session = editor.client.new_session(&server).await;
    (server, editor, session)
}

fn forms() -> Value {
    json!({ "elicitation": { "form": {} } })
}

#[tokio::test]
async fn the_user_answers_a_form() {
    let (server, mut editor, session) = opened(forms()).await;
    let answers = [
        (
            json!({ "action": "accept", "content": { "color": "blue", "n": 2, "x": "y" } }),
            "The user answered:\ncolor: blue\nn: 2",
        ),
        (json!({ "action": "decline" }), "The user declined to answer."),
        (json!({ "action": "cancel" }), "The user closed the question without an answer."),
        (
            json!({ "action": "accept", "content": { "color": "green" } }),
            "the client's answer has no usable value for \"color\"",
        ),
    ];
    for (answer, told) in answers {
        let id = editor.client.prompt(&session, ASK).await;
        let question = editor.until_asked("elicitation/create").await;
        let params = &question["params"];
        assert_eq!((&params["mode"], &params["message"]), (&json!("form"), &json!("Which?")));
        assert_eq!((&params["sessionId"], params["toolCallId"].is_string()), (&json!(session), true));
        let schema = &params["requestedSchema"];
        assert_eq!(schema["properties"]["color"]["enum"], json!(["red", "blue"]));
        assert_eq!(schema["required"], json!(["color"]));
        editor.client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer })).await;
        editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
        assert_eq!(outcomes(&server, &session).await.pop().unwrap().1, told);
    }
}

#[tokio::test]
async fn who_shows_no_forms_is_not_asked() {
    for capabilities in [json!({}), json!({ "elicitation": { "url": {} } }), json!({ "elicitation": {} })] {
        let (server, mut editor, session) = opened(capabilities).await;
        editor.turn(&session, ASK).await;
        let (is_done, told) = outcomes(&server, &session).await.pop().unwrap();
        assert!(!is_done && told.starts_with("no attached client can ask the user"), "{told}");
    }
}

#[tokio::test]
async fn a_cancel_takes_the_question_back() {
    let (_server, mut editor, session) = opened(forms()).await;
    let id = editor.client.prompt(&session, ASK).await;
    let question = editor.until_asked("elicitation/create").await;
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    let messages = editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "cancelled");
    let taken_back = |message: &&Value| message["method"] == "$/cancel_request";
    assert_eq!(messages.iter().find(taken_back).unwrap()["params"]["requestId"], question["id"]);
}

#[tokio::test]
async fn where_files_are_does_not_matter_for_questions() {
    let capabilities = json!({ "fs": { "readTextFile": true }, "elicitation": { "form": {} } });
    let (_server, mut editor, session) = opened(capabilities).await;
    let set = json!({ "sessionId": session, "configId": "tool_location", "value": "server" });
    editor.client.call("session/set_config_option", set).await;
    editor.client.prompt(&session, ASK).await;
    editor.until_asked("elicitation/create").await;
}
