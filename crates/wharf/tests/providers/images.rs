//! Images through the real binary: of prompts and of files, to models that see them and to models that do not.

use std::fs;

use serde_json::{Value, json};
use wharf_foreign::image::{self, Format};
use wharf_testkit::process::WharfHome;
use wharf_testkit::{Reply, ScriptedModel, WharfProcess, picture};

/// A server with a profile of each name and model server, with what more it says.
async fn serve(home: &WharfHome, profiles: &[(&str, &str, &ScriptedModel, &str)]) -> WharfProcess {
    fs::create_dir_all(home.state.path().join("wharf")).unwrap();
    let profile = |(name, protocol, model, more): &(&str, &str, &ScriptedModel, &str)| {
        let url = model.url();
        format!("[providers.{name}]\nprotocol = {protocol:?}\nbase_url = {url:?}\napi_key_env = \"KEY\"\n{more}\n")
    };
    let config: String = profiles.iter().map(profile).collect();
    fs::write(home.state.path().join("wharf/config.toml"), config).unwrap();
    home.server().permission("full").env("KEY", "k").start().await
}

async fn session(server: &WharfProcess, model: &str) -> String {
    let session: Value = server.client().post_json("/api/v1/sessions", &json!({ "model": model })).await.unwrap();
    session["id"].as_str().unwrap().to_owned()
}

async fn change_model(server: &WharfProcess, session: &str, model: &str) {
    let change = json!({ "model": model }).to_string();
    let headers = [("content-type", "application/json")];
    let path = format!("/api/v1/sessions/{session}");
    assert_eq!(server.client().send("PATCH", &path, &headers, Some(change.as_bytes())).await.unwrap().status, 200);
}

async fn prompt(server: &WharfProcess, session: &str, content: &Value) -> (u16, Value) {
    let body = json!({ "content": content }).to_string();
    let headers = [("content-type", "application/json")];
    let path = format!("/api/v1/sessions/{session}/prompt");
    let answer = server.client().send("POST", &path, &headers, Some(body.as_bytes())).await.unwrap();
    let status = answer.status;
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// What the log tells of images that were not shown, message by message.
async fn unseen(server: &WharfProcess, session: &str) -> Vec<Value> {
    let log: Value = server.client().get_json(&format!("/api/v1/sessions/{session}/events?limit=1000")).await.unwrap();
    let events = log["events"].as_array().unwrap().iter();
    let whole = events.filter(|event| event["type"] == "message.complete" && event["payload"]["role"] == "assistant");
    whole.map(|event| event["payload"]["unseen"].clone()).collect()
}

/// The images of a request over any wire, in base64, oldest first.
fn images(body: &Value) -> Vec<String> {
    match body {
        Value::String(text) => {
            let data = text.split_once(";base64,").map_or(text.as_str(), |(_, data)| data);
            image::read(data).ok().map(|_| data.to_owned()).into_iter().collect()
        }
        Value::Array(list) => list.iter().flat_map(images).collect(),
        Value::Object(fields) => fields.values().flat_map(images).collect(),
        _ => Vec::new(),
    }
}

fn sizes(body: &Value) -> Vec<(Format, u32, u32)> {
    let header = |data: &String| image::read(data).unwrap().0;
    images(body).iter().map(header).map(|header| (header.format, header.width, header.height)).collect()
}

#[tokio::test]
async fn each_wire_is_shown_what_it_takes_and_the_same_each_time() {
    for (protocol, name, side) in [
        ("openai", "scripted", 2_048),
        ("responses", "scripted", 2_048),
        ("anthropic", "claude-sonnet-4-5", 1_568),
        ("anthropic", "claude-opus-4-8", 2_000),
        ("gemini", "gemini-3-scripted", 2_048),
    ] {
        let model = ScriptedModel::start().await;
        model
            .push(Reply::tool("read_file", json!({ "path": "shot.png" })))
            .push(Reply::text("Seen."))
            .push(Reply::text("Again."));
        let home = WharfHome::new();
        let (sent, shot) = (picture::png(4_000, 16), image::read(&picture::png(3, 2)).unwrap().1);
        home.work.write("shot.png", shot);
        let server = serve(&home, &[("mine", protocol, &model, "")]).await;
        let id = session(&server, &format!("mine/{name}")).await;
        // Its label is wrong, which is nothing to its bytes.
        let blocks =
            json!([{ "type": "text", "text": "See" }, { "type": "image", "data": sent, "mime_type": "image/gif" }]);
        let (status, answer) = prompt(&server, &id, &blocks).await;
        assert_eq!((status, &answer["response"]), (200, &json!("Seen.")), "{protocol}: {answer:#}");
        assert_eq!(prompt(&server, &id, &json!("And now?")).await.0, 200);
        model.assert_histories_are_valid();
        let requests = model.requests();
        let (big, small) = ((Format::Png, side, 16 * side / 4_000), (Format::Png, 3, 2));
        assert_eq!(sizes(&requests[0].body), [big], "{protocol} {name}");
        assert_eq!(sizes(&requests[1].body), [big, small], "{protocol} {name}");
        assert_eq!(images(&requests[2].body), images(&requests[1].body), "{protocol} {name}");
        assert!(unseen(&server, &id).await.iter().all(Value::is_null), "{protocol} {name}");
    }
}

#[tokio::test]
async fn a_model_that_cannot_see_gets_a_note_and_the_next_one_the_image() {
    let (blind, seeing) = (ScriptedModel::start().await, ScriptedModel::start().await);
    blind.default_reply(Reply::text("I was told of it."));
    seeing.default_reply(Reply::text("I saw it."));
    let home = WharfHome::new();
    let more = "[providers.blind.models.scripted]\nimages = false\n";
    let server = serve(&home, &[("blind", "openai", &blind, more), ("seeing", "openai", &seeing, "")]).await;
    let id = session(&server, "blind/scripted").await;
    let image =
        json!({ "type": "image", "data": picture::png(8, 8), "mime_type": "image/png", "uri": "file:///shot.png" });
    let (status, answer) = prompt(&server, &id, &json!([{ "type": "text", "text": "See" }, image])).await;
    assert_eq!((status, &answer["response"]), (200, &json!("I was told of it.")), "{answer:#}");
    let told = blind.requests()[0].body.to_string();
    assert!(told.contains("[image file:///shot.png (image/png, 8x8 pixels), not shown to this model]"), "{told}");
    assert_eq!(prompt(&server, &id, &json!("Still?")).await.0, 200);
    change_model(&server, &id, "seeing/scripted").await;
    assert_eq!(prompt(&server, &id, &json!("And now?")).await.0, 200);
    assert_eq!(sizes(&seeing.requests()[0].body), [(Format::Png, 8, 8)]);
    assert_eq!(unseen(&server, &id).await, [json!({ "unsupported": 1 }), Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_server_that_refuses_images_is_asked_without_them() {
    let model = ScriptedModel::start().await;
    model.answer(|body| {
        let has_image = body.to_string().contains("image_url");
        // As llama.cpp says it of a model without a projector.
        let why = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj";
        Some(if has_image { Reply::http_error(500, why) } else { Reply::text("Without.") })
    });
    let home = WharfHome::new();
    let server = serve(&home, &[("mine", "openai", &model, "")]).await;
    let id = session(&server, "mine/scripted").await;
    let image = json!({ "type": "image", "data": picture::png(8, 8), "mime_type": "image/png" });
    for number in 1..=2 {
        let (status, answer) = prompt(&server, &id, &json!([{ "type": "text", "text": "See" }, image])).await;
        assert_eq!((status, &answer["response"]), (200, &json!("Without.")), "{answer:#}");
        assert_eq!(model.request_count(), 1 + number, "it is refused once");
    }
    assert_eq!(unseen(&server, &id).await, [json!({ "unsupported": 1 }), json!({ "unsupported": 2 })]);
}

#[tokio::test]
async fn an_image_that_is_refused_once_turns_off_no_others() {
    for (protocol, name) in
        [("openai", "m"), ("responses", "m"), ("anthropic", "claude-opus-4-8"), ("gemini", "gemini-3-m")]
    {
        let model = ScriptedModel::start().await;
        model.push(Reply::http_error(400, "Could not process image")).push(Reply::text("Without."));
        model.push(Reply::text("With."));
        let home = WharfHome::new();
        let server = serve(&home, &[("mine", protocol, &model, "")]).await;
        let id = session(&server, &format!("mine/{name}")).await;
        let image = json!({ "type": "image", "data": picture::png(8, 8), "mime_type": "image/png" });
        let content = json!([{ "type": "text", "text": "See" }, image]);
        for said in ["Without.", "With."] {
            let (_, answer) = prompt(&server, &id, &content).await;
            assert_eq!(answer["response"], said, "{protocol}: {answer:#}");
        }
        let shown: Vec<usize> = model.requests().iter().map(|request| images(&request.body).len()).collect();
        assert_eq!(shown, [1, 0, 2], "{protocol}");
        assert_eq!(unseen(&server, &id).await, [json!({ "unsupported": 1 }), Value::Null], "{protocol}");
    }
}

#[tokio::test]
async fn what_no_model_could_see_is_refused_or_told_in_words() {
    let model = ScriptedModel::start().await;
    model.push(Reply::tool("read_file", json!({ "path": "huge.png" }))).push(Reply::text("Too large."));
    model.push(Reply::text("Damaged."));
    let home = WharfHome::new();
    let head = |width: u32, height: u32| {
        let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &sides, &[8, 6, 0, 0, 0]].concat()
    };
    home.work.write("huge.png", head(10_000, 5_001));
    let server = serve(&home, &[("mine", "openai", &model, "")]).await;
    let id = session(&server, "mine/scripted").await;
    let sent = |data: String| json!([{ "type": "text", "text": "See" }, { "type": "image", "data": data, "mime_type": "image/png" }]);
    for (data, status, why) in [
        (image::encode(&head(10_000, 5_001)), 413, "10000x5001 pixels; an image may have 50000000"),
        (image::encode(b"<svg/>"), 400, "neither PNG, JPEG, GIF nor WebP"),
        ("<script>".to_owned(), 400, "no base64"),
    ] {
        let (code, answer) = prompt(&server, &id, &sent(data)).await;
        assert_eq!(code, status, "{answer:#}");
        assert!(answer.to_string().contains(why) && answer.to_string().contains("block 1"), "{answer:#}");
    }
    assert_eq!(model.request_count(), 0);
    let (_, answer) = prompt(&server, &id, &json!("Look at huge.png")).await;
    assert_eq!(answer["response"], "Too large.", "{answer:#}");
    assert!(model.requests()[1].body.to_string().contains("huge.png: this image cannot be shown: 10000x5001 pixels"));
    // A head without a body: the log has it, the model a word.
    let (_, answer) = prompt(&server, &id, &sent(image::encode(&head(8, 8)))).await;
    assert_eq!(answer["response"], "Damaged.", "{answer:#}");
    let told = model.requests()[2].body.to_string();
    assert!(told.contains("(image/png), not shown: it is damaged"), "{told}");
    assert_eq!(unseen(&server, &id).await.last(), Some(&json!({ "unreadable": 1 })));
}
