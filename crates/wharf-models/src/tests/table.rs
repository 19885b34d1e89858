//! Each kind of content over each wire: carried, told in words, or left out. The table of the documentation, walked.

use std::fmt::Write;

use expect_test::expect;
use serde_json::json;
use wharf_protocol::content::EmbeddedResource;
use wharf_protocol::model::Protocol;
use wharf_protocol::{ContentBlock, Message, Role};
use wharf_testkit::Reply;

use super::strict::{Place, WIRES, hear, place};
use super::{DOT, assistant, call, image, logged, message, result, user};

/// What stands nowhere else in a request.
const DATA: &str = "QUJDREVG";

fn resource(mime_type: &str, text: Option<&str>) -> ContentBlock {
    ContentBlock::Resource {
        resource: EmbeddedResource {
            uri: "file:///the-place".to_owned(),
            mime_type: Some(mime_type.to_owned()),
            text: text.map(str::to_owned),
            blob: text.is_none().then(|| DATA.to_owned()),
        },
    }
}

fn asked(block: ContentBlock) -> Vec<Message> {
    vec![message(Role::User, vec![ContentBlock::text("Look."), block])]
}

fn answered(block: ContentBlock, is_error: bool) -> Vec<Message> {
    let results = result("c1", vec![ContentBlock::text("Here."), block]);
    vec![user("Go"), assistant("", vec![call("c1", json!({ "path": "a" }))]), Message { is_error, ..results }]
}

/// A reply with reasoning, as this place gives one.
async fn thought(place: &Place) -> Message {
    place.server.push(Reply::new().think("A thought of its own.").say("Said."));
    logged(&hear(&*place.model, &[user("Go")]).await.unwrap(), &place.origin)
}

/// What became of it in the request: data as it is, the word for it, or nothing.
fn found(body: &str, data: &[&str], words: &[&str]) -> &'static str {
    let holds = |texts: &[&str]| texts.iter().any(|text| body.contains(text));
    match () {
        () if holds(data) => "carried",
        () if holds(words) => "in words",
        () => "left out",
    }
}

/// A kind of content, messages that hold it, the words that show it as it is, and those that stand in for it.
type Content<'a> = (&'a str, Vec<Message>, &'a [&'a str], &'a [&'a str]);

#[tokio::test]
async fn every_kind_of_content_over_every_wire() {
    let mut table = String::new();
    for wire in WIRES {
        let there = place(wire).await;
        let other = place(if wire.0 == Protocol::Responses { WIRES[4] } else { WIRES[1] }).await;
        let [own, foreign] = [thought(&there).await, thought(&other).await];
        let audio = ContentBlock::Audio { data: DATA.to_owned(), mime_type: "audio/wav".to_owned() };
        let link = ContentBlock::ResourceLink {
            uri: "file:///the-place".to_owned(),
            name: "a name".to_owned(),
            mime_type: None,
            description: None,
        };
        let notes = &["not shown to this model", "not played to this model", "the-place"];
        let opaque: &[&str] = &["5157"];
        let gives = json!(own).to_string().contains(opaque[0]);
        let rows: [Content<'_>; 12] = [
            ("text", asked(ContentBlock::text("xyzzy")), &["xyzzy"], &[]),
            ("image from the user", asked(image()), &[DOT], notes),
            ("image in a result", answered(image(), false), &[DOT], notes),
            ("image in a failed result", answered(image(), true), &[DOT], notes),
            ("audio", asked(audio), &[DATA], notes),
            ("PDF", asked(resource("application/pdf", None)), &[DATA], notes),
            ("other binary resource", asked(resource("application/zip", None)), &[DATA], notes),
            ("text of a resource", asked(resource("text/plain", Some("xyzzy"))), &[], &["xyzzy"]),
            ("link", asked(link), &[], notes),
            ("reasoning of its own, opaque", vec![user("Go"), own, user("On")], opaque, &[]),
            (
                "reasoning of another model",
                vec![user("Go"), foreign.clone(), user("On")],
                &[],
                &["A thought of its own."],
            ),
            ("opaque data of another model", vec![user("Go"), foreign, user("On")], opaque, &[]),
        ];
        let _ = writeln!(table, "{} {}", wire.0, wire.1);
        for (kind, messages, data, words) in rows {
            there.server.push(Reply::text("Seen."));
            let heard = hear(&*there.model, &messages).await;
            assert!(heard.is_ok(), "{wire:?} {kind}: {heard:?}");
            let body = there.server.requests().last().unwrap().body.to_string();
            let became = if kind.starts_with("reasoning of its own") && !gives {
                "none given"
            } else {
                found(&body, data, words)
            };
            let _ = writeln!(table, "  {kind}: {became}");
        }
    }
    expect![[r#"
        openai scripted
          text: carried
          image from the user: carried
          image in a result: carried
          image in a failed result: carried
          audio: in words
          PDF: in words
          other binary resource: in words
          text of a resource: in words
          link: in words
          reasoning of its own, opaque: none given
          reasoning of another model: in words
          opaque data of another model: left out
        responses scripted
          text: carried
          image from the user: carried
          image in a result: carried
          image in a failed result: carried
          audio: in words
          PDF: carried
          other binary resource: in words
          text of a resource: in words
          link: in words
          reasoning of its own, opaque: carried
          reasoning of another model: in words
          opaque data of another model: left out
        gemini gemini-3-scripted
          text: carried
          image from the user: carried
          image in a result: carried
          image in a failed result: carried
          audio: carried
          PDF: carried
          other binary resource: in words
          text of a resource: in words
          link: in words
          reasoning of its own, opaque: carried
          reasoning of another model: in words
          opaque data of another model: left out
        gemini gemini-2.5-scripted
          text: carried
          image from the user: carried
          image in a result: carried
          image in a failed result: carried
          audio: carried
          PDF: carried
          other binary resource: in words
          text of a resource: in words
          link: in words
          reasoning of its own, opaque: carried
          reasoning of another model: in words
          opaque data of another model: left out
        anthropic claude-opus-4-8
          text: carried
          image from the user: carried
          image in a result: carried
          image in a failed result: carried
          audio: in words
          PDF: carried
          other binary resource: in words
          text of a resource: in words
          link: in words
          reasoning of its own, opaque: carried
          reasoning of another model: in words
          opaque data of another model: left out
    "#]]
    .assert_eq(&table);
}
