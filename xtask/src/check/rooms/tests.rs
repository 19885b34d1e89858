//! Circles in small samples of sources.

use super::*;

fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

fn circles(all: &[(&str, &str)]) -> Vec<String> {
    let step = |step: &Use| format!("{}>{} {}:{}", step.from, step.to, step.file, step.line);
    graph(&files(all)).cycles().iter().map(|cycle| cycle.iter().map(step).collect::<Vec<_>>().join(", ")).collect()
}

#[test]
fn two_rooms_that_use_each_other_are_a_circle() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a.rs", "//! A.\nuse crate::b::B;\n"),
        ("b/deep.rs", "fn f() {\n    crate::a::f();\n}\n"),
    ]);
    assert_eq!(found, ["a>b a.rs:2, b>a b/deep.rs:2"]);
}

#[test]
fn a_longer_circle_is_shown_once_with_its_lines() {
    let found = circles(&[
        ("main.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "use crate::{\n    c::D,\n    b::{C, E},\n};\n"),
        ("b.rs", "use super::c;\n"),
        ("c/mod.rs", "use super::a::A;\n"),
    ]);
    assert_eq!(found, ["a>c a.rs:2, c>a c/mod.rs:1", "a>b a.rs:3, b>c b.rs:1, c>a c/mod.rs:1"]);
}

#[test]
fn a_name_that_the_root_passes_on_is_its_rooms() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::{A, inner::{B as C}};\npub use b::*;\n"),
        ("a.rs", "use crate::b::F;\n"),
        ("b.rs", "fn f(c: crate::C) {}\n"),
    ]);
    assert_eq!(found, ["a>b a.rs:1, b>a b.rs:1"]);
}

#[test]
fn what_stands_in_the_root_is_a_room_too() {
    let found = circles(&[("lib.rs", "mod a;\npub fn f() {\n    a::g();\n}\n"), ("a.rs", "use crate::f;\n")]);
    assert_eq!(found, ["a>the root a.rs:1, the root>a lib.rs:3"]);
}

#[test]
fn tests_comments_and_texts_use_nothing() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a.rs", "use crate::b::B;\n"),
        (
            "b.rs",
            "// crate::a\n/* crate::a /* nested */ crate::a */\nconst T: &str = \"crate::a\\\" crate::a\";\n\
             const R: &str = r#\"\"crate::a\"#;\nconst C: char = '\"';\nfn f<'a>(x: &'a str) {}\n\
             pub(in crate::b) struct S;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n\
             #[cfg(test)]\nuse crate::a::B;\n",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_room_may_look_around_in_itself() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a.rs", "mod x;\nuse crate::b::B;\n"),
        ("a/x.rs", "use super::A;\nuse super::super::b::C;\nuse crate::a::D;\n"),
        ("b.rs", "pub struct B;\nmod inner {\n    use super::B;\n}\n"),
    ]);
    assert_eq!(found, [""; 0]);
}
