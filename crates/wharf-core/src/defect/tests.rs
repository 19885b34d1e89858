//! What is taken for a call in the text.

use super::*;

#[test]
fn calls_in_the_text() {
    for text in [
        r#"<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>"#,
        "\n<tool_call>\n{}\n</tool_call>\n<tool_call>\n{}\n</tool_call>\n",
        "<function=read_file><parameter=path>a</parameter></function>",
        r#"[TOOL_CALLS] [{"name": "read_file", "arguments": {}}]"#,
        "<|python_tag|>{}",
        "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"bash\"><｜DSML｜parameter name=\"command\" string=\"true\">ls",
        "<minimax:tool_call><invoke name=\"bash\"></invoke></minimax:tool_call>",
        "<|tool_call_start|>[bash(command=\"ls\")]<|tool_call_end|>",
        "<|START_ACTION|>[{\"tool_name\": \"bash\"}]<|END_ACTION|>",
        "<tool_call>bash<arg_key>command</arg_key><arg_value>ls</arg_value></tool_call>",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>x<｜tool▁calls▁end｜>",
        r#"I look.\n<tool_call>{"name": "read_file", "arguments": {}}</tool_call>"#,
    ] {
        assert!(is_markup(text), "{text}");
    }
    for text in [
        "",
        "A `<tool_call>` is how some models write a call.",
        "<tool_call> begins one, </tool_call> ends one.",
        "It prints <tool_call>{}</tool_call>",
        "```\n<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>\n```",
    ] {
        assert!(!is_markup(text), "{text}");
    }
}

#[test]
fn a_beginning_is_held_back_until_it_can_be_told() {
    for text in ["", " ", "<", "<tool", "\n<tool_call>{\"na", "[TOOL_CALLS] [", "<|"] {
        assert!(may_be_markup(text), "{text}");
    }
    for text in ["<p>", "Hi", "[x]", "<toolbox>"] {
        assert!(!may_be_markup(text), "{text}");
    }
}
