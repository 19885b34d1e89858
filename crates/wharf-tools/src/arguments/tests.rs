//! What models send, and what they are told.

use serde::Deserialize;
use serde_json::json;
use wharf_protocol::ToolKind;
use wharf_protocol::tool::ToolSource;

use super::*;

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A path.
    #[serde(alias = "file_path")]
    path: String,
    #[serde(default, deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "lenient::flag")]
    all: bool,
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: "t".into(),
        description: String::new(),
        category: String::new(),
        kind: ToolKind::Other,
        source: ToolSource::Builtin,
        read_only: true,
        subject: None,
        parameters: schema::<Arguments>(),
        timeout_ms: 1,
    }
}

#[test]
fn the_schema_is_plain() {
    assert_eq!(
        schema::<Arguments>(),
        json!({
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "A path."},
                "limit": {"type": "integer", "minimum": 0},
                "all": {"type": "boolean", "default": false},
            },
            "required": ["path"],
            "additionalProperties": false,
        })
    );
}

#[test]
fn common_mistakes_are_forgiven() {
    let wanted = Arguments { path: "a".into(), limit: Some(3), all: true };
    for sent in [
        json!({"path": "a", "limit": 3, "all": true}),
        json!({"file_path": "a", "limit": "3", "all": "true"}),
        json!({"path": "a", "limit": 3.0, "all": 1}),
        json!("{\"path\": \"a\", \"limit\": 3, \"all\": true}"),
    ] {
        assert_eq!(parse::<Arguments>(&spec(), sent).unwrap(), wanted);
    }
    let short = Arguments { path: "a".into(), limit: None, all: false };
    assert_eq!(parse::<Arguments>(&spec(), json!({"path": "a", "limit": null, "all": null})).unwrap(), short);
}

#[test]
fn an_error_names_the_field_and_what_would_be_right() {
    let told = |sent: Value| parse::<Arguments>(&spec(), sent).unwrap_err().to_string();
    let all = "Arguments: path (string, required); limit (integer); all (boolean)";
    assert_eq!(told(json!({})), format!("t: these arguments cannot be used: missing field `path`. {all}"));
    let unknown = told(json!({"path": "a", "paht": 1}));
    assert!(unknown.contains("unknown field `paht`") && unknown.ends_with(all), "{unknown}");
    let number = told(json!({"path": "a", "limit": "many"}));
    assert!(number.contains("limit: expected a whole number of at least 0, got \"many\""), "{number}");
    let path = told(json!({"file_path": ["a"]}));
    assert!(path.contains("file_path: invalid type: sequence, expected a string"), "{path}");
    assert!(told(json!({"path": "a", "limit": -1})).contains("whole number"));
    assert!(told(json!([1])).contains("expected an object, got an array"));
    assert!(told(json!("no json")).contains("got a text"));
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[serde(alias = "items")]
    todos: Vec<Item>,
    #[serde(default)]
    options: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    content: String,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    done: bool,
}

#[test]
fn lists_and_objects_may_be_json_text() {
    let spec = ToolSpec { parameters: schema::<Lists>(), ..spec() };
    let item = |content: &str| Item { content: content.into(), size: 3, done: true };
    let wanted = Lists { todos: vec![item("a")], options: vec!["x".into()] };
    let object = r#"{"content":"a","size":3,"done":true}"#;
    for sent in [
        json!({"todos": [{"content": "a", "size": 3, "done": true}], "options": ["x"]}),
        json!({"todos": format!("[{object}]"), "options": "[\"x\"]"}),
        json!({"todos": format!(" [{object}]\n"), "options": ["x"]}),
        json!({"todos": object, "options": ["x"]}),
        json!({"todos": [object], "options": ["x"]}),
        json!({"todos": {"content": "a", "size": "3", "done": "true"}, "options": ["x"]}),
        json!({"todos": [{"content": "a", "size": 3.0, "done": "True"}], "options": ["x"]}),
        json!({"items": format!("[{object}]"), "options": ["x"]}),
        json!(format!(r#"{{}}{{"todos":[{object}],"options":["x"]}}"#)),
    ] {
        assert_eq!(parse::<Lists>(&spec, sent.clone()).unwrap(), wanted, "{sent}");
    }
    let raw = json!({"todos": "[{\"content\":\"a\tb\nc\"}]"});
    assert_eq!(parse::<Lists>(&spec, raw).unwrap().todos[0].content, "a\tb\nc");
    let number = json!({"todos": [{"content": 404}]});
    assert_eq!(parse::<Lists>(&spec, number).unwrap().todos[0].content, "404");
}

#[test]
fn what_has_more_than_one_meaning_is_refused() {
    let spec = ToolSpec { parameters: schema::<Lists>(), ..spec() };
    let told = |sent: Value| parse::<Lists>(&spec, sent).unwrap_err().to_string();
    for (sent, place) in [
        (json!({"todos": "a, b"}), "todos"),
        (json!({"todos": "[{\"content\":"}), "todos"),
        (json!({"todos": [], "options": "x"}), "options"),
        (json!({"todos": [], "options": {"x": 1}}), "options"),
        (json!({"todos": [{"content": "b"}, {"content": {"a": 1}}]}), "todos[1].content"),
        (json!({"todos": "[".repeat(100_000)}), "todos"),
    ] {
        let told = told(sent);
        assert!(told.starts_with(&format!("t: these arguments cannot be used: {place}: invalid type")), "{told}");
        assert!(told.len() < 1_000, "{}", told.len());
    }
    let missing = told(json!({"todos": [{"content": "a"}, {}]}));
    assert!(missing.contains(": todos[1]: missing field `content`. "), "{missing}");
    let unknown = told(json!({"todos": [{"content": "a", "x": 1}]}));
    assert!(unknown.contains("todos[0].x: unknown field `x`, expected one of"), "{unknown}");
    // A text stays one, whatever it looks like.
    let text = json!({"path": "[1]"});
    assert_eq!(parse::<Arguments>(&self::spec(), text).unwrap().path, "[1]");
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[\\[{\\]}\"a:,1 ]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = proptest::sample::select(vec![
                "todos",
                "options",
                "content",
                "size",
                "done",
                "items",
                "type",
                "properties",
            ]);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name, inner), 0..4).prop_map(|fields| Value::Object(
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_arguments_are_read_or_refused(sent in value(), schema in value()) {
            let spec = ToolSpec { parameters: super::schema::<Lists>(), ..super::spec() };
            let _ = parse::<Lists>(&spec, sent.clone());
            let fitted = fitted(&schema, sent);
            // What is right already stays as it is.
            prop_assert_eq!(super::fitted(&schema, fitted.clone()), fitted);
        }
    }
}
