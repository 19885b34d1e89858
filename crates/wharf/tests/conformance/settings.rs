//! Modes and config options, which say the same.

use serde_json::{Value, json};

use crate::agent::Agent;

crate::through_every_door!(
    the_mode_is_one_of_those_there_are,
    a_mode_is_set,
    each_option_has_one_of_its_values,
    setting_an_option_gives_all_of_them,
    options_that_are_not_there_are_refused,
);

async fn opened(agent: &Agent) -> (wharf_testkit::acp::Peer, String, Value) {
    let mut client = agent.client().await;
    let answer = client.call("session/new", json!({ "cwd": agent.cwd(), "mcpServers": [] })).await;
    (client, answer["sessionId"].as_str().unwrap().to_owned(), answer)
}

fn values(option: &Value) -> Vec<&str> {
    option["options"].as_array().unwrap().iter().map(|value| value["value"].as_str().unwrap()).collect()
}

async fn the_mode_is_one_of_those_there_are(agent: Agent) {
    let (_client, _, answer) = opened(&agent).await;
    let modes = answer["modes"]["availableModes"].as_array().unwrap();
    assert!(modes.iter().any(|mode| mode["id"] == answer["modes"]["currentModeId"]), "{answer}");
}

async fn a_mode_is_set(agent: Agent) {
    let (mut client, session, _) = opened(&agent).await;
    client.settle().await;
    assert_eq!(client.call("session/set_mode", json!({ "sessionId": session, "modeId": "plan" })).await, json!({}));
    // Under this name, whatever older pages of the protocol say.
    assert_eq!(client.update("current_mode_update").await["currentModeId"], "plan");
    let options = client.update("config_option_update").await;
    let mode = options["configOptions"].as_array().unwrap().iter().find(|option| option["category"] == "mode").unwrap();
    assert_eq!(mode["currentValue"], "plan");
    let loaded = client.call("session/load", agent.open(&session)).await;
    assert_eq!(loaded["modes"]["currentModeId"], "plan");
    assert_eq!(
        client.fail("session/set_mode", json!({ "sessionId": session, "modeId": "what" })).await["code"],
        -32602
    );
}

async fn each_option_has_one_of_its_values(agent: Agent) {
    let (_client, _, answer) = opened(&agent).await;
    let options = answer["configOptions"].as_array().unwrap();
    let mut ids: Vec<&Value> = options.iter().map(|option| &option["id"]).collect();
    ids.dedup();
    assert_eq!(ids.len(), options.len(), "ids are unique");
    for option in options {
        assert_eq!(option["type"], "select", "no boolean option: it was not advertised");
        assert!(values(option).contains(&option["currentValue"].as_str().unwrap()), "{option}");
    }
}

async fn setting_an_option_gives_all_of_them(agent: Agent) {
    let (mut client, session, answer) = opened(&agent).await;
    for option in answer["configOptions"].as_array().unwrap() {
        let Some(other) = values(option).into_iter().find(|value| option["currentValue"] != *value) else { continue };
        let set = json!({ "sessionId": session, "configId": option["id"], "value": other });
        let all = client.call("session/set_config_option", set).await;
        let all = all["configOptions"].as_array().unwrap();
        assert_eq!(all.len(), answer["configOptions"].as_array().unwrap().len());
        let changed = all.iter().find(|changed| changed["id"] == option["id"]).unwrap();
        assert_eq!(changed["currentValue"], other, "{option}");
    }
}

async fn options_that_are_not_there_are_refused(agent: Agent) {
    let (mut client, session, _) = opened(&agent).await;
    for (id, value) in [("mode", json!("what")), ("colour", json!("red")), ("mode", json!(7))] {
        let set = json!({ "sessionId": session, "configId": id, "value": value });
        assert_eq!(client.fail("session/set_config_option", set).await["code"], -32602, "{id} {value}");
    }
    let set = json!({ "sessionId": session, "configId": "mode", "type": "boolean", "value": true });
    assert_eq!(client.fail("session/set_config_option", set).await["code"], -32602);
}
