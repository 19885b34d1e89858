//! The vocabulary file and what is generated from it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::PermissionOption;

#[test]
fn no_two_rows_have_one_name() {
    let mut names = BTreeSet::new();
    for command in SlashCommand::ALL {
        for name in command.aliases().iter().chain([&command.id()]) {
            assert!(names.insert(*name), "{name}");
        }
    }
    let mut typed = BTreeSet::new();
    for answer in PermissionOption::ALL {
        for word in answer.typed() {
            assert!(typed.insert(*word), "{word}");
        }
    }
}

#[test]
fn no_key_does_two_things_in_one_place() {
    let mut taken: BTreeMap<(&str, &str, &str), Action> = BTreeMap::new();
    for action in Action::ALL {
        for (client, keys) in [("web", action.web()), ("terminal", action.terminal())] {
            for key in keys {
                let other = taken.insert((client, action.when(), key), action);
                assert_eq!(other, None, "{key} in {client}: {action:?}");
                // A client that is always meant is meant in every place.
                let always = taken.get(&(client, "always", key)).filter(|always| **always != action);
                assert_eq!(always, None, "{key} in {client}: {action:?}");
            }
        }
    }
}

#[test]
fn keys_of_browsers_and_terminals_are_left_to_them() {
    let reserved = ["Mod+N", "Mod+T", "Mod+W", "Ctrl+S", "Ctrl+Q", "Ctrl+Z", "Ctrl+B", "Ctrl+A"];
    for action in Action::ALL {
        for key in action.web().iter().chain(action.terminal()) {
            assert!(!reserved.contains(key), "{action:?}: {key}");
        }
    }
}

#[test]
fn a_state_is_never_told_by_its_colour_alone() {
    let glyphs: BTreeSet<&str> = Mark::ALL.map(Mark::glyph).into();
    let words: BTreeSet<&str> = Mark::ALL.map(Mark::word).into();
    assert_eq!((glyphs.len(), words.len()), (Mark::ALL.len(), Mark::ALL.len()));
}
