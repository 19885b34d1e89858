//! What MCP servers say, taken over within bounds: names, lists, results, messages and configurations.

mod forgiven;
mod fuzz;
mod http;
mod programs;

use expect_test::{Expect, expect};
use serde_json::json;
use wharf_foreign::visible;
use wharf_protocol::ContentBlock;
use wharf_protocol::mcp::{McpServer, McpSource, McpTransport, NamedValue};

use wharf_tools::remote::{names, result};

use super::catalogue::Catalogue;
use super::check;
use super::config::checked;
use super::event_stream::{SseEvent, SseReader};
use super::message::{self, Incoming};

#[test]
fn what_hides_in_a_text_is_shown() {
    assert_eq!(visible::text("plain\n\ttext, naïve 🦀"), "plain\n\ttext, naïve 🦀");
    assert_eq!(
        visible::text("a\u{1b}[2Jb\r\nc\u{202e}d\u{200b}e\u{e0041}\0"),
        "a\\u{1b}[2Jb\nc\\u{202e}d\\u{200b}e\\u{e0041}\\u{0}"
    );
    assert_eq!(visible::line(" a\nb ", 10), "a\\u{a}b");
    assert_eq!(visible::line(&"ä".repeat(100), 10), "äää…");
}

#[test]
fn names_fit_every_provider_and_stay_apart() {
    let long = "long".repeat(20);
    let tools = ["echo", "a.b", "a/b", "a_b", "", &long, "ünïcödé", "read file\u{1b}[2J"];
    let named = names::tool_names("mcp__github__", &tools);
    let fits =
        |name: &String| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    assert!(named.iter().all(fits), "{named:?}");
    let mut distinct = named.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), named.len());
    expect![[r#"
        [
            "mcp__github__echo",
            "mcp__github__a_b_2e7336dc",
            "mcp__github__a_b_c14cddc0",
            "mcp__github__a_b",
            "mcp__github___e3b0c442",
            "mcp__github__longlonglonglonglonglonglonglonglonglonglo_5aa1dce7",
            "mcp__github___n_c_d_",
            "mcp__github__read_file__2J",
        ]
    "#]]
    .assert_debug_eq(&named);
    let servers =
        ["github", "my server", "my.server", "a__b", "", "weird\u{1b}", "an-astonishingly-long-name-of-a-server"];
    expect![[r#"
        [
            "github",
            "my_server_b129874b",
            "my_server_9661c51a",
            "a_b",
            "server_e3b0c442",
            "weird",
            "an-astonishingl_3577a3a3",
        ]
    "#]]
    .assert_debug_eq(&names::server_parts(servers.into_iter()));
}

fn taken(pages: &[serde_json::Value]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for page in pages {
        catalogue.add_page(page.clone()).unwrap();
    }
    catalogue
}

#[test]
fn a_list_is_taken_over_as_far_as_it_fits() {
    let catalogue = taken(&[
        json!({ "tools": [
            { "name": "add", "title": "Add\u{1b}", "description": "x".repeat(10_000), "annotations": { "readOnlyHint": true } },
            { "name": "add" },
            { "name": "huge", "inputSchema": { "description": "s".repeat(100_000) } },
            { "name": "list", "inputSchema": ["no", "object"] },
            { "name": "n".repeat(300) },
            "nothing",
        ], "nextCursor": "2" }),
        json!({ "tools": (0..200).map(|n| json!({ "name": format!("t{n}") })).collect::<Vec<_>>() }),
    ]);
    assert_eq!(catalogue.tools.len(), 128);
    let add = &catalogue.tools[0];
    assert_eq!((add.name.as_str(), add.title.as_deref(), add.read_only), ("add", Some("Add\\u{1b}"), true));
    assert!(add.description.len() <= 4096 && add.description.ends_with('…'));
    assert_eq!(catalogue.tools[1].schema, json!({ "type": "object", "properties": {} }));
    expect![[r#"
        add: the name is there twice
        huge: its schema has 100018 bytes; at most 65536 are taken
        nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…: a name has 1 to 256 bytes
        : it is no description of a tool
        t126: a server may have 128 tools"#]]
    .assert_eq(&catalogue.left_out[..5].join("\n"));
    assert_eq!(catalogue.left_out.len(), 16);
    assert!(Catalogue::default().add_page(json!([])).is_err());
    assert!(Catalogue::default().add_page(json!({})).is_err());
}

#[test]
fn results_become_ours() {
    let told = result::told(&json!({ "content": [
        { "type": "text", "text": "a\u{1b}[31m" },
        { "type": "image", "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==", "mimeType": "image/png" },
        { "type": "image", "data": "<script>", "mimeType": "image/png" },
        { "type": "image", "data": "aGVsbG8=", "mimeType": "image/png" },
        { "type": "audio", "data": "A".repeat(5 << 20), "mimeType": "audio/wav" },
        { "type": "resource_link", "uri": "file:///n", "name": "n" },
        { "type": "resource", "resource": { "uri": "memo:1", "text": "inside" } },
        { "type": "hologram" },
    ], "structuredContent": { "n": 1 } }));
    expect![[r#"
        a\u{1b}[31m
        [image image/png, 1x1 pixels, 67 bytes]
        [image image/png left out: it is no base64, 8 bytes]
        [image image/png left out: it is neither PNG, JPEG, GIF nor WebP, 6 bytes]
        [audio audio/wav left out: too large, 5242880 bytes]
        [link: n file:///n]
        [resource memo:1]
        inside
        [a block of type hologram, which is not known here]"#]]
    .assert_eq(&told.text);
    assert!(matches!(told.content[..], [ContentBlock::Image { .. }, ContentBlock::ResourceLink { .. }]));
    assert!(!told.is_error);
    assert_eq!(result::told(&json!({ "structuredContent": { "n": 1 } })).text, "{\"n\":1}");
    assert_eq!(result::told(&json!({ "content": [], "isError": true })).text, "the tool failed, and did not say why");
    let many = result::told(&json!({ "content": vec![json!({ "type": "text", "text": "x" }); 1_000] }));
    assert!(many.text.ends_with("[744 more blocks left out]"));
}

#[test]
fn messages_are_told_apart_from_noise() {
    let parse = |text: &str| message::parse(text.as_bytes());
    assert_eq!(parse("Server started"), None);
    assert_eq!(parse("{\"jsonrpc\":\"2.0\"}"), None);
    assert_eq!(parse("{\"id\": {}, \"result\": 1}"), None);
    let answer = Incoming::Response { id: 7, outcome: Ok(json!(1)) };
    assert_eq!(parse("{\"id\": \"7\", \"result\": 1}"), Some(vec![answer.clone()]));
    let note = Incoming::Notification { method: "n".to_owned(), params: json!(null) };
    assert_eq!(parse("[{\"id\":7,\"result\":1},{\"method\":\"n\"},{}]"), Some(vec![answer, note]));
}

#[test]
fn events_are_read_whatever_their_line_ends_and_pieces() {
    let text = ": ping\r\n\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 7\ndata: b\n\nevent: endpoint\rdata:/post\r\rdata: unfinished";
    let wanted = |name: &str, data: &str| SseEvent { name: name.to_owned(), data: data.as_bytes().to_vec() };
    let all = [wanted("message", "{\"a\":\n1}"), wanted("message", "b"), wanted("endpoint", "/post")];
    for size in [1, 2, 3, 7, text.len()] {
        let mut stream = SseReader::default();
        let pieces = text.as_bytes().chunks(size);
        let events: Vec<SseEvent> = pieces.flat_map(|piece| stream.push(piece).unwrap()).collect();
        assert_eq!(events, all, "in pieces of {size}");
    }
    let mut stream = SseReader::default();
    let flood = vec![b'x'; 1 << 20];
    assert!((0..32).any(|_| stream.push(&flood).is_err()), "an event without an end has one");
}

#[test]
fn a_recorded_answer_is_read() {
    // Beside the checkout, or beside the directory that it is in.
    let beside = ["../../../shared", "../../../../shared"].map(|place| {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(place).join("fixtures/mcp/deepwiki-crlf-comment.sse")
    });
    let Some(bytes) = beside.iter().find_map(|path| std::fs::read(path).ok()) else {
        eprintln!("no recorded streams here: passed over");
        return;
    };
    let mut stream = SseReader::default();
    let events: Vec<SseEvent> = bytes.chunks(100).flat_map(|piece| stream.push(piece).unwrap()).collect();
    let messages: Vec<Incoming> = events.iter().flat_map(|event| message::parse(&event.data).unwrap()).collect();
    let last = messages.last().unwrap();
    let Incoming::Response { id: 2, outcome: Ok(value) } = last else { panic!("{last:?}") };
    assert!(result::told(value).text.contains("Pydantic AI"));
}

fn server(change: impl FnOnce(&mut McpServer)) -> McpServer {
    let mut server = McpServer { name: "s".to_owned(), command: Some("/bin/true".into()), ..McpServer::default() };
    change(&mut server);
    server
}

fn over_http(url: &str) -> McpServer {
    server(|s| (s.transport, s.command, s.url) = (McpTransport::Http, None, Some(url.to_owned())))
}

fn pair(name: &str, value: &str) -> Vec<NamedValue> {
    vec![NamedValue { name: name.to_owned(), value: value.to_owned() }]
}

#[test]
fn a_bad_configuration_names_its_field() {
    let told = |servers: &[McpServer]| check(servers).map_err(|bad| bad.to_string()).err().unwrap_or_default();
    let cases = [
        vec![server(|_| {})],
        vec![server(|s| s.command = Some("npx".into()))],
        vec![server(|s| s.command = Some("../x".into()))],
        vec![server(|s| s.command = None)],
        vec![server(|s| s.name = String::new())],
        vec![server(|s| s.name = "n".repeat(65))],
        vec![server(|s| s.name = "a\u{1b}".to_owned())],
        vec![server(|_| {}), server(|_| {})],
        vec![server(|s| s.args = vec!["\0".to_owned()])],
        vec![server(|s| s.env = pair("A=B", "c"))],
        vec![server(|s| s.url = Some("http://x".to_owned()))],
        vec![over_http("ftp://host/")],
        vec![over_http("file:///etc/passwd")],
        vec![over_http("not an address with a secret")],
        vec![over_http("http://host/"), server(|_| {})],
        vec![server(|s| (s.transport, s.command) = (McpTransport::Sse, None))],
        vec![{
            let mut server = over_http("http://host/");
            server.headers = pair("Host", "evil");
            server
        }],
        vec![{
            let mut server = over_http("http://host/");
            server.headers = pair("X-A", "two\r\nlines");
            server
        }],
        vec![server(|s| s.args = vec!["x".repeat(300_000)])],
        (0..33).map(|n| server(|s| s.name = n.to_string())).collect(),
    ];
    expect_lines(
        &cases.iter().map(|servers| told(servers)).collect::<Vec<_>>(),
        expect![[r#"

            [0].command: npx is not an absolute path
            [0].command: ../x is not an absolute path
            [0].command: is missing
            [0].name: must have 1 to 64 characters, and no space around them
            [0].name: must have 1 to 64 characters, and no space around them
            [0].name: must not hold control characters
            [1].name: "s" is the name of two servers
            [0].args[0]: must not hold a NUL byte
            [0].env[0].name: must not be empty or hold `=` or a NUL byte
            [0].url: is for `http` and `sse`; give `type` too
            [0].url: must begin with http:// or https:// and name a host
            [0].url: must begin with http:// or https:// and name a host
            [0].url: is no address: relative URL without a base
            [1].name: "s" is the name of two servers
            [0].url: is missing
            [0].headers[0].name: is no header that may be set
            [0].headers[0].value: is no header's value
            [0].name: the server has 300046 bytes of settings; at most 262144
            : 33 servers; a session may have 32"#]],
    );
    // The user's own file may name a program.
    assert!(checked(&cases[1], McpSource::Config).is_ok());
    assert!(checked(&cases[2], McpSource::Config).is_err());
}

fn expect_lines(lines: &[String], expect: Expect) {
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn what_is_shown_of_a_server_holds_no_secret() {
    let mut remote = over_http("https://me:password@host/mcp?key=abcdefgh");
    remote.headers = pair("Authorization", "Bearer token-123");
    let local =
        server(|s| (s.name, s.env, s.args) = ("l".to_owned(), pair("TOKEN", "value-123"), vec!["--key=x".to_owned()]));
    let told = format!("{remote:?} {local:?} {:?}", NamedValue { name: "n".to_owned(), value: "secret".to_owned() });
    for secret in ["password", "abcdefgh", "token-123", "value-123", "--key", "secret"] {
        assert!(!told.contains(secret), "{told}");
    }
    let known = checked(&[remote, local], McpSource::Session).unwrap();
    assert_eq!(known[0].target(), "https://host/mcp");
    assert_eq!(known[0].redacted("got token-123 and abcdefgh"), "got [redacted] and [redacted]");
    assert_eq!(known[1].redacted("TOKEN=value-123"), "TOKEN=[redacted]");
    assert!(!format!("{known:?}").contains("password"));
}
