//! Names as models write them.

use super::*;

#[test]
fn a_name_loses_what_a_template_put_around_it() {
    let is_known = |name: &str| matches!(name, "read_file" | "functions_a" | "ls");
    for raw in [
        "read_file",
        " read_file\n",
        "functions.read_file",
        "functions:read_file",
        "functions.functions.read_file",
        "default_api.read_file",
        "tools.read_file",
        "read_file<|channel|>commentary",
        "read_file<|channel|>",
        "functions.read_file<|constrain|>json",
        "<|channel|>commentary to=functions.read_file <|constrain|>json",
        "commentary to=read_file",
        "functions.read_file:0",
        "read_file</tool_call>",
        "read_file()",
        "`read_file`",
    ] {
        assert_eq!(tool_name(raw, is_known), "read_file", "{raw:?}");
    }
    assert_eq!(tool_name("functions_a", is_known), "functions_a");
    assert_eq!(tool_name("functions.nope<|x|>", is_known), "nope");
    assert_eq!(tool_name("<|channel|>", is_known), "<|channel|>");
    assert_eq!(tool_name("functions.", is_known), "functions.");
    assert_eq!(tool_name("", is_known), "");
    // A known name is never touched, whatever it looks like.
    assert_eq!(tool_name("functions.x", |name| name == "functions.x"), "functions.x");
}
