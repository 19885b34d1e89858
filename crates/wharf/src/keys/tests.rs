//! Keys as a user keeps them, and what is said when there is none.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

const KEY: &str = "sk-secret-of-the-user";

#[allow(clippy::disallowed_methods, reason = "a test finds the programs that it starts")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars().filter(|(name, _)| name == "PATH").chain([("KEY".to_owned(), KEY.to_owned())]).collect()
}

fn command(words: &[&str]) -> CommandKey {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    CommandKey::new("providers.work.api_key_command".to_owned(), &words, environment()).unwrap()
}

fn variable(name: &str) -> VariableKey {
    VariableKey::new("providers.work.api_key_env".to_owned(), name.to_owned(), &environment())
}

#[tokio::test]
async fn a_variable_is_there_or_is_named() {
    assert_eq!(variable("KEY").key().await, Ok(ApiKey::new(KEY)));
    let why = variable("NO_KEY").key().await.unwrap_err();
    assert_eq!(why, "set the variable NO_KEY, which providers.work.api_key_env names");
}

#[tokio::test]
async fn a_file_is_read_anew_and_nobody_else_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let key = FileKey::new("providers.work.api_key_file".to_owned(), path.clone());
    assert!(key.look().unwrap_err().contains("cannot be read"), "{:?}", key.look());
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let why = key.key().await.unwrap_err();
    assert!(why.contains("can be read by others") && why.contains("chmod 600") && !why.contains(KEY), "{why}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(key.key().await, Ok(ApiKey::new(KEY)));
    std::fs::write(&path, "another\n").unwrap();
    assert_eq!(key.key().await, Ok(ApiKey::new("another")));
    for text in ["", " \n", "one\ntwo\n"] {
        std::fs::write(&path, text).unwrap();
        assert!(key.key().await.unwrap_err().contains("holds"), "{text:?}");
    }
    std::fs::write(&path, vec![b'x'; KEY_MAX_BYTES + 1]).unwrap();
    assert!(key.key().await.unwrap_err().contains("larger than"));
}

#[tokio::test]
async fn a_program_prints_the_key_and_no_shell_reads_its_name() {
    assert_eq!(command(&["printf", "%s\\n", KEY]).key().await, Ok(ApiKey::new(KEY)));
    // Its environment is the user's; its input is empty.
    assert_eq!(command(&["sh", "-c", "cat; echo \"$KEY\""]).key().await, Ok(ApiKey::new(KEY)));
    // What a shell would take for more.
    assert_eq!(command(&["echo", "$(id); rm -r x"]).key().await, Ok(ApiKey::new("$(id); rm -r x")));
    for (words, why) in [
        (&["sh", "-c", "echo sk-secret-of-the-user; exit 3"][..], "failed (exit code 3)"),
        (&["sh", "-c", "echo sk-secret-of-the-user >&2"], "printed no key"),
        (&["printf", "one\\ntwo"], "printed no key, or more than one line"),
        (&["yes", "sk-secret-of-the-user"], "bytes, which is no key"),
        (&["printf", "\\377"], "no text"),
        (&["no-such-program-of-ours"], "could not be run"),
    ] {
        let said = command(words).key().await.unwrap_err();
        assert!(said.contains(why) && said.contains("providers.work.api_key_command"), "{words:?}: {said}");
        assert!(!said.contains(KEY), "{said}");
    }
    assert!(command(&["no-such-program-of-ours"]).look().is_err());
    assert!(command(&["sh", "-c", "exit 1"]).look().is_ok(), "looking runs nothing");
}

#[test]
fn a_program_of_the_workspace_is_none() {
    let of = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        CommandKey::new(String::new(), &words, environment()).err()
    };
    for words in [&["./key"][..], &["bin/key"], &[""], &[], &["a\0b"]] {
        assert!(of(words).is_some(), "{words:?}");
    }
    let mut relative = command(&["key"]);
    relative.environment.insert("PATH".to_owned(), ".:bin".to_owned());
    assert_eq!(relative.found(), None);
}
