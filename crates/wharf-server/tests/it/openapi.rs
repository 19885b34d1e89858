//! The document: pinned, complete, and true.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::TestServer;

#[tokio::test]
async fn the_document_is_pinned() {
    let server = TestServer::start().await;
    let (status, document) = server.get("/openapi.json").await;
    assert_eq!(status, 200);
    assert_eq!(server.get("/api/v1/openapi.json").await.1, document);
    insta::assert_json_snapshot!(document);
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_id_is_unique() {
    let server = TestServer::start().await;
    let (_, document) = server.get("/openapi.json").await;
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference}"));
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2') || status == "101"), "{id}");
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(reference) if name == "$ref" => {
                        references.insert(reference.clone());
                    }
                    other => collect(other, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_schemas_of_streams_and_sockets_are_served() {
    let server = TestServer::start().await;
    let (status, events) = server.get("/api/v1/schemas/events.json").await;
    assert_eq!(status, 200);
    assert!(events["oneOf"].as_array().unwrap().len() >= 30);
    let (status, ws) = server.get("/api/v1/schemas/ws.json").await;
    assert_eq!(status, 200);
    for name in ["Request", "Envelope", "Frame", "ApiError", "Event"] {
        assert!(ws["$defs"][name].is_object(), "{name}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let server = TestServer::start().await;
    for path in ["/docs", "/docs/docs.js", "/docs/docs.css"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        let text = response.text().await.unwrap();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("innerHTML"), "{path}");
    }
}
