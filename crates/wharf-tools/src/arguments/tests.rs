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
    assert!(number.contains("expected a whole number of at least 0, got \"many\""), "{number}");
    assert!(told(json!({"path": "a", "limit": -1})).contains("whole number"));
    assert!(told(json!([1])).contains("expected an object, got an array"));
    assert!(told(json!("no json")).contains("got a text"));
}
