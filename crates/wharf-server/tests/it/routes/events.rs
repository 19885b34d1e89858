//! The log as pages and streams.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wharf_testkit::sse::Item;

use crate::support::{EventReader, TestServer};

#[tokio::test]
async fn a_page_and_a_stream_are_the_same_log() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.prompt(&session, "hel|lo").await;
    let log = server.log(&session).await;
    let seqs: Vec<u64> = log.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=log.len() as u64).collect::<Vec<_>>());
    let base = format!("/api/v1/sessions/{session}/events");

    let mut paged = Vec::new();
    loop {
        let (_, page) = server.get(&format!("{base}?limit=3&after={}", paged.len())).await;
        assert_eq!(page["last_seq"].as_u64().unwrap() as usize, log.len());
        paged.extend(page["events"].as_array().unwrap().clone());
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(paged, log);

    let mut stream = server.events(&format!("{base}?after=0")).await;
    let headers = stream.response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(headers["x-session-id"], session.as_str());
    let connected = stream.next().await.unwrap();
    assert_eq!((connected.event.as_str(), connected.id.as_deref()), ("connected", None));
    assert_eq!(connected.json()["payload"]["last_seq"].as_u64().unwrap() as usize, log.len());
    for event in &log {
        let frame = stream.next().await.unwrap();
        assert_eq!(frame.seq(), event["seq"].as_u64());
        assert_eq!(frame.event, event["type"].as_str().unwrap());
        assert_eq!(frame.json(), *event);
    }
}

#[tokio::test]
async fn cursors_are_judged_before_the_stream_opens() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let base = format!("/api/v1/sessions/{session}/events");
    let open = |query: &str, last: Option<&str>| {
        let mut request = server.request(Method::GET, &format!("{base}{query}")).header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        async move {
            let response = request.send().await.unwrap();
            let status = response.status();
            let body = if status == StatusCode::OK { Value::Null } else { response.json().await.unwrap() };
            (status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
        }
    };
    assert_eq!(open("?after=x", None).await, (400, "VALIDATION_ERROR".into()));
    assert_eq!(open("", Some("x")).await, (400, "VALIDATION_ERROR".into()));
    assert_eq!(open("", Some("1 2")).await, (400, "VALIDATION_ERROR".into()));
    assert_eq!(open("?after=99", None).await, (409, "CURSOR_AHEAD".into()));
    assert_eq!(open("?after=0", Some("99")).await, (409, "CURSOR_AHEAD".into()), "the header wins");
    assert_eq!(open("?after=99", Some("1")).await, (200, String::new()), "the header wins");
    assert_eq!(open("?after=99", Some("")).await, (409, "CURSOR_AHEAD".into()), "an empty header says nothing");
    let (status, ahead) = server.get(&format!("{base}?after=99")).await;
    assert_eq!((status.as_u16(), ahead["details"]["last_seq"].as_u64()), (409, Some(1)));
    let mut all = server.request(Method::GET, "/api/v1/events?after=99999").send().await.unwrap();
    assert_eq!(all.status(), 409);
    assert!(all.chunk().await.unwrap().is_some());
}

/// Comes back again and again in the middle of what is being appended, and misses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hand_over_from_history_to_live_is_exact() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let base = format!("/api/v1/sessions/{session}/events");
    for _ in 0..6 {
        server.prompt_async(&session, "a|b|c|big 40|wait|d|big 20").await;
    }
    let reader = async {
        let (mut seen, mut after, mut ended) = (Vec::new(), 0, 0);
        while ended < 6 {
            let mut stream = server.events(&format!("{base}?after={after}")).await;
            assert_eq!(stream.next().await.unwrap().event, "connected");
            // A few events, then the client is gone.
            for _ in 0..7 {
                let frame = stream.next().await.unwrap();
                after = frame.seq().unwrap();
                if frame.event == "message.start" {
                    server.open_gate();
                }
                ended += usize::from(frame.event == "turn.completed");
                seen.push(frame.json());
                if ended == 6 {
                    break;
                }
            }
        }
        seen
    };
    let seen = reader.await;
    let log = server.log(&session).await;
    assert_eq!(seen, log[..seen.len()]);
    let completes = seen.iter().filter(|event| event["type"] == "message.complete").count();
    assert_eq!(completes, 6);
}

#[tokio::test]
async fn chunks_put_together_are_the_message() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut stream = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    stream.until("connected").await;
    server.prompt_async(&session, "grün|e |✓|\u{2028}|big 3").await;
    let frames = stream.until("message.complete").await;
    let mut text = String::new();
    for frame in frames.iter().filter(|frame| frame.event == "message.chunk") {
        let payload = &frame.json()["payload"];
        assert_eq!(payload["offset"].as_u64().unwrap() as usize, text.len());
        text.push_str(payload["content"].as_str().unwrap());
    }
    assert_eq!(frames.last().unwrap().json()["payload"]["content"], text);
    assert!(frames.iter().all(|frame| !frame.data.contains('\u{2028}')));
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.keep_alive = Duration::from_millis(50);
    let server = builder.start().await;
    let session = server.session().await;
    let mut stream = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    stream.until("connected").await;
    assert_eq!(stream.next_item().await, Some(Item::Comment("heartbeat".to_owned())));
}

#[tokio::test]
async fn a_deleted_session_ends_its_streams() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut stream = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    stream.until("connected").await;
    server.send(Method::DELETE, &format!("/api/v1/sessions/{session}"), None).await;
    let rest = stream.rest().await;
    let events: Vec<&str> = rest.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(events, ["session.deleted", "error"]);
    let error = rest[1].json();
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some("SESSION_NOT_FOUND")));
}

#[tokio::test]
async fn all_sessions_come_on_one_stream_with_their_own_cursor() {
    let server = TestServer::start().await;
    let mut all = server.events("/api/v1/events").await;
    let connected = all.next().await.unwrap();
    assert_eq!(connected.event, "connected");
    let (one, two) = (server.session().await, server.session().await);
    tokio::join!(server.prompt(&one, "hello"), server.prompt(&two, "hello"));
    let mut frames = all.until("turn.completed").await;
    frames.extend(all.until("turn.completed").await);
    let positions: Vec<u64> = frames.iter().map(|frame| frame.seq().unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
    for session in [&one, &two] {
        assert!(frames.iter().any(|frame| frame.json()["session_id"] == **session));
    }
    let response = server
        .request(Method::GET, "/api/v1/events")
        .header("Last-Event-ID", positions[2].to_string())
        .send()
        .await
        .unwrap();
    let mut again = EventReader::new(response);
    assert_eq!(again.next().await.unwrap().event, "connected");
    for frame in &frames[3..] {
        assert_eq!(again.next().await.unwrap(), *frame);
    }
}

#[tokio::test]
async fn unknown_sessions_are_404() {
    let server = TestServer::start().await;
    for path in ["events", "messages", "turns", "timeline", "queue", "permissions"] {
        let (status, body) = server.get(&format!("/api/v1/sessions/nobody/{path}")).await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (404, Some("SESSION_NOT_FOUND")), "{path}");
    }
    let (status, body) = server.post("/api/v1/sessions/nobody/prompt", json!({ "content": "x" })).await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (404, Some("SESSION_NOT_FOUND")));
}
