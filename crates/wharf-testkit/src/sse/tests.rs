//! Frames cut at every byte, and frames that are refused.

use super::{Frame, Item, Parser};

fn parse(bytes: &[u8]) -> std::io::Result<Vec<Item>> {
    let mut parser = Parser::default();
    let mut items = Vec::new();
    for byte in bytes {
        parser.push(&[*byte]);
        while let Some(item) = parser.next_item()? {
            items.push(item);
        }
    }
    Ok(items)
}

#[test]
fn frames_and_comments_survive_single_bytes() {
    let items =
        parse("event: a\nid: 7\ndata: {\"x\":\"é\"}\n\n: heartbeat\n\ndata: 1\ndata: 2\n\n".as_bytes()).unwrap();
    assert_eq!(
        items,
        [
            Item::Frame(Frame { event: "a".into(), id: Some("7".into()), data: "{\"x\":\"é\"}".into() }),
            Item::Comment("heartbeat".into()),
            Item::Frame(Frame { event: "message".into(), id: None, data: "1\n2".into() }),
        ]
    );
}

#[test]
fn what_a_browser_forgives_is_refused() {
    for bad in [
        "event: a\n\n",
        "data: a\r\n\n",
        "data: a\u{2028}b\n\n",
        "dat: a\n\n",
        "data a\n\n",
        "event: a\nevent: b\ndata: 1\n\n",
        "data:\n\n",
    ] {
        assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
}
