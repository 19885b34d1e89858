//! Any text is read within the limits, and what is known of an honest one stays.

use proptest::prelude::*;

use crate::{COMMANDS_MAX, Reading, pattern, read, reads};

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "rm",
        "x",
        " ",
        " ",
        "\n",
        "\t",
        ";",
        "&",
        "&&",
        "|",
        "||",
        "(",
        ")",
        "{",
        "}",
        "((",
        "))",
        "[[",
        "]]",
        "$",
        "$(",
        "${",
        "$((",
        "`",
        "'",
        "\"",
        "\\",
        "\\\n",
        "#",
        "<",
        ">",
        "<<",
        "<<E",
        "\nE\n",
        "<<<",
        "<(",
        ">(",
        "2>",
        "&>",
        ">&",
        "=",
        "+=",
        "[",
        "]",
        "*",
        "?",
        "~",
        "!",
        "if ",
        "then ",
        "fi",
        "for ",
        "in ",
        "do ",
        "done",
        "while ",
        "case ",
        "esac",
        ";;",
        "function ",
        "time ",
        "env ",
        "sh -c ",
        "xargs ",
        "eval ",
        "cd ",
        "-",
        "--",
        "1",
        "$'",
        "$\"",
        "@",
        "%",
        ",",
        "..",
        "é",
        "\u{202e}",
        "\u{fffc}",
        "\0",
        "-exec ",
        "set -e;",
        "read ",
        "export ",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(pieces in prop::collection::vec(piece(), 0..60)) {
        bounded(&read(&pieces.concat()));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bounded(&read(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn what_may_match_includes_what_matches(pattern in "[ab*]{0,6}", text in "[abx]{0,8}", filled in "[ab]{0,3}") {
        let unknown = text.replace('x', &crate::UNKNOWN.to_string());
        let one = text.replace('x', &filled);
        if pattern::may_match(&pattern, &one) {
            prop_assert!(pattern::may_match(&pattern, &unknown));
        }
    }
}

fn bounded(reading: &Reading) {
    assert!(reading.commands.len() <= COMMANDS_MAX);
    for command in &reading.commands {
        let _ = (reads::of(command), command.shown(), command.rendered());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Text of one kind, repeated to the limit: what is not linear does not end.
    #[test]
    fn long_texts_end(pieces in prop::collection::vec(piece(), 1..4)) {
        let piece = pieces.concat();
        bounded(&read(&piece.repeat(crate::SCRIPT_MAX_BYTES / piece.len().max(1))));
    }
}
