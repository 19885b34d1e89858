//! Layers of the configuration, its mistakes, and secrets that it does not show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layers::default_path;
use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load_text(text: &str, pairs: &[(&str, &str)], flags: Flags) -> Result<Layered, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path), &environment(pairs), flags)
        .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

#[test]
fn without_anything_the_defaults_hold() {
    let layered = load(None, &environment(&[]), Vec::new()).unwrap();
    assert_eq!(layered.config, Config::default());
    assert_eq!(layered.path, None);
}

#[test]
fn the_later_layer_wins_and_is_named() {
    let file = "model = \"a/file\"\npermission = \"plan\"\n[server]\nport = 1\nhost = \"::1\"\n";
    let variables = [("WHARF_SERVER_PORT", "2"), ("WHARF_MODEL", "a/variable"), ("WHARF_LIMITS_QUEUED_PROMPTS", "7")];
    let flags = vec![("model", "--model", toml::Value::String("a/flag".to_owned()))];
    let layered = load_text(file, &variables, flags).unwrap();
    assert_eq!(layered.config.model.as_deref(), Some("a/flag"));
    assert_eq!(layered.config.server.port, 2);
    assert_eq!(layered.config.permission, Mode::Plan);
    assert_eq!(layered.config.limits.queued_prompts, 7);
    assert_eq!(layered.source("model"), &Source::Flag("--model"));
    assert_eq!(layered.source("server.port"), &Source::Variable("WHARF_SERVER_PORT".to_owned()));
    assert!(matches!(layered.source("server.host"), Source::File(_)));
    assert_eq!(layered.source("server.auth"), &Source::Default);
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    let told = |text: &str| load_text(text, &[], Vec::new()).unwrap_err();
    assert_eq!(told("modle = \"x\""), "DIR/config.toml: unknown key `modle`; did you mean `model`?");
    assert_eq!(told("port = 1"), "DIR/config.toml: unknown key `port`; did you mean `server.port`?");
    assert_eq!(told("[server]\nprot = 1"), "DIR/config.toml: unknown key `server.prot`; did you mean `server.port`?");
    assert_eq!(
        told("[limits]\nbody_byte = 1"),
        "DIR/config.toml: unknown key `limits.body_byte`; did you mean `limits.body_bytes`?"
    );
    assert_eq!(told("zzzzz = 1"), "DIR/config.toml: unknown key `zzzzz`");
    assert!(told("[server]\nport = \"x\"").contains("line 2"), "{}", told("[server]\nport = \"x\""));
    assert!(told("server = 1").contains("invalid type"), "{}", told("server = 1"));
    assert!(told("permission = \"yolo\"").contains("unknown variant"), "{}", told("permission = \"yolo\""));
    let variable = load_text("", &[("WHARF_SERVER_PORT", "many")], Vec::new()).unwrap_err();
    assert_eq!(variable, "WHARF_SERVER_PORT: \"many\" is not a number");
    let variable = load_text("", &[("WHARF_SERVER_PORT", "70000")], Vec::new()).unwrap_err();
    assert!(variable.starts_with("WHARF_SERVER_PORT: server.port: "), "{variable}");
}

#[test]
fn every_key_has_a_shape_and_a_variable() {
    let keys = known_keys();
    let shape = |name: &str| keys.iter().find(|key| key.name == name).map(|key| key.shape);
    assert_eq!(shape("server.port"), Some(keys::Shape::Number));
    assert_eq!(shape("model"), Some(keys::Shape::Text));
    assert_eq!(shape("context_tokens"), Some(keys::Shape::Number));
    assert_eq!(shape("permission"), Some(keys::Shape::Text));
    assert_eq!(shape("client.mode"), Some(keys::Shape::Text));
    assert_eq!(shape("allowed_roots"), Some(keys::Shape::List));
    assert_eq!(shape("rules"), Some(keys::Shape::Tables));
    assert!(keys.iter().any(|key| key.variable() == "WHARF_CLIENT_KEY_FILE"));
}

#[test]
fn rules_stand_in_the_file() {
    let file = "[[rules]]\naction = \"deny\"\ntool = \"bash\"\npattern = \"rm *\"\n";
    let layered = load_text(file, &[], Vec::new()).unwrap();
    assert_eq!(layered.config.rules.len(), 1);
}

#[test]
fn mcp_servers_stand_in_the_file_and_their_secrets_do_not_show() {
    let file = "[mcp.docs]\ntype = \"http\"\nurl = \"https://host/mcp?key=secret\"\nheaders = { Authorization = \"Bearer secret\" }\n\
                [mcp.local]\ncommand = \"npx\"\nargs = [\"--token\", \"secret\"]\nenv = { KEY = \"secret\" }\n\
                [mcp.off]\ncommand = \"/x\"\nenabled = false\n";
    let layered = load_text(file, &[], Vec::new()).unwrap();
    let servers = mcp_servers(&layered.config.mcp);
    assert_eq!(servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["docs", "local"]);
    for as_json in [false, true] {
        let text = show(&layered, as_json);
        assert!(text.contains("Authorization") && !text.contains("secret"), "{text}");
    }
    assert!(!format!("{:?}", layered.config).contains("secret"));
    let told = |text: &str| load_text(text, &[], Vec::new()).unwrap_err();
    assert!(told("[mcp.a]\ncomand = \"x\"").contains("unknown field `comand`"), "{}", told("[mcp.a]\ncomand = \"x\""));
    let variable = load_text("", &[("WHARF_MCP", "x")], Vec::new()).unwrap_err();
    assert!(variable.contains("can only be set in the file"), "{variable}");
}

#[test]
fn secrets_in_addresses_do_not_show() {
    let layered = load_text("base_url = \"https://me:secret@host/v1?key=secret\"", &[], Vec::new()).unwrap();
    for as_json in [false, true] {
        let text = show(&layered, as_json);
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("host/v1"), "{text}");
    }
}

#[test]
fn strangers_in_the_environment_are_noticed() {
    let layered =
        load_text("", &[("WHARF_MODLE", "x"), ("WHARF_STATE_DIR", "/x"), ("HOME", "/h")], Vec::new()).unwrap();
    assert_eq!(layered.strangers, ["WHARF_MODLE"]);
    assert_eq!(default_path(&environment(&[("HOME", "/h")])), Some(PathBuf::from("/h/.config/wharf/config.toml")));
    assert_eq!(
        default_path(&environment(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")])),
        Some(PathBuf::from("/x/wharf/config.toml"))
    );
}

#[test]
fn a_byte_order_mark_before_the_file_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "\u{feff}model = \"demo\"\n").unwrap();
    let layered = load(Some(&path), &BTreeMap::new(), Vec::new()).unwrap();
    assert_eq!(layered.config.model.as_deref(), Some("demo"));
}

#[test]
fn a_huge_file_or_a_huge_name_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, format!("{} = 1\n", "k".repeat(1_000_000))).unwrap();
    let error = load(Some(&path), &BTreeMap::new(), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("unknown key") && error.len() < 2_000, "{}", error.len());
    std::fs::write(&path, " ".repeat(2 << 20)).unwrap();
    let error = load(Some(&path), &BTreeMap::new(), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("is larger than"), "{error}");
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Layered, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), &BTreeMap::new(), Vec::new())
    }

    proptest! {
        #[test]
        fn files_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn files_that_are_nearly_right_never_panic(
            lines in prop::collection::vec(("(\\[[a-z.]{0,12}\\]|model|limits\\.[a-z_]{0,10}|rules|mcp\\.x|[a-z.]{1,12})", "( = |=|)", "(1|-1|true|\"[^\"]{0,9}\"|\\[.{0,9}\\]|\\{.{0,9}\\}|9{1,40}|)"), 0..8),
        ) {
            let text: String = lines.iter().map(|(key, sign, value)| format!("{key}{sign}{value}\n")).collect();
            if let Err(error) = read(text.as_bytes()) {
                prop_assert!(error.to_string().len() < 10_000);
            }
        }

        #[test]
        fn deep_files_are_refused(depth in 200_usize..100_000, open in prop::sample::select(vec!["[", "{a=", "[{a="])) {
            let text = format!("model = {}", open.repeat(depth));
            prop_assert!(read(text.as_bytes()).is_err());
        }

        #[test]
        fn deep_names_are_refused(depth in 200_usize..100_000) {
            let name = "a.".repeat(depth);
            for text in [format!("{name}a = 1"), format!("[{name}a]")] {
                prop_assert!(read(text.as_bytes()).is_err());
            }
        }

        #[test]
        fn variables_of_any_text_never_panic(port in ".{0,30}", roots in ".{0,60}", model in ".{0,30}") {
            let environment = [("WHARF_SERVER_PORT", port), ("WHARF_ALLOWED_ROOTS", roots), ("WHARF_MODEL", model)];
            let environment = environment.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
            let _ = load(None, &environment, Vec::new());
        }
    }
}
