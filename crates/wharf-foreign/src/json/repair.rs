//! Turns what is nearly JSON into JSON.

/// A lone half of a character travels through a JSON reader as a character of its own, of a plane that nobody uses: no text may hold a half.
const MARKS_START: u32 = 0x10_f000;
const HALVES_START: u16 = 0xd800;
const LOW_HALVES_START: u16 = 0xdc00;
const HALVES_END: u16 = 0xdfff;

/// Words that stand where a number should; readers are given `null`.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

#[derive(Debug)]
pub(super) struct Repaired {
    pub(super) text: String,
    /// It holds marked halves.
    pub(super) has_halves: bool,
}

/// The half that a character stands for.
pub(super) fn half(letter: char) -> Option<u16> {
    let offset = u32::from(letter).checked_sub(MARKS_START)?;
    let half = u16::try_from(offset).ok()?.checked_add(HALVES_START)?;
    (half <= HALVES_END).then_some(half)
}

pub(super) fn is_marked(letter: char) -> bool {
    half(letter).is_some()
}

fn mark(half: u16) -> char {
    char::from_u32(MARKS_START + u32::from(half - HALVES_START)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Repairs what has one meaning, and leaves the rest to the reader. Valid JSON stays what it is. One pass; the result is at most six times as long.
pub(super) fn repaired(text: &[u8]) -> Repaired {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut out = Repaired { text: String::with_capacity(text.len() + 16), has_halves: false };
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        out.text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('"') {
            out.text.push('"');
            rest = out.string(after);
        } else if let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
            out.text.push_str("null");
            rest = &rest[word.len()..];
        } else {
            out.text.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.text.push_str(rest);
    out
}

impl Repaired {
    /// Takes over a string behind its opening quote; gives what follows the closing one.
    fn string<'t>(&mut self, text: &'t str) -> &'t str {
        let mut rest = text;
        while let Some(at) = rest.find(|letter: char| matches!(letter, '"' | '\\' | '\0'..='\u{1f}')) {
            self.text.push_str(&rest[..at]);
            rest = &rest[at..];
            match rest.as_bytes()[0] {
                b'"' => {
                    self.text.push('"');
                    return &rest[1..];
                }
                b'\\' => rest = self.escape(rest),
                control => {
                    match control {
                        b'\n' => self.text.push_str("\\n"),
                        b'\r' => self.text.push_str("\\r"),
                        b'\t' => self.text.push_str("\\t"),
                        other => self.text.push_str(&format!("\\u{other:04x}")),
                    }
                    rest = &rest[1..];
                }
            }
        }
        self.text.push_str(rest);
        ""
    }

    /// Takes over one escape, or a pair of them that is one character.
    fn escape<'t>(&mut self, text: &'t str) -> &'t str {
        let Some(first) = unit(text) else {
            // `\"` must not end the string; what is no escape is the reader's to refuse.
            let len = 1 + text[1..].chars().next().map_or(0, char::len_utf8);
            self.text.push_str(&text[..len]);
            return &text[len..];
        };
        let rest = &text[6..];
        match first {
            HALVES_START..LOW_HALVES_START => match unit(rest) {
                Some(LOW_HALVES_START..=HALVES_END) => {
                    self.text.push_str(&text[..12]);
                    return &text[12..];
                }
                _ => self.half(first),
            },
            LOW_HALVES_START..=HALVES_END => self.half(first),
            _ => self.text.push_str(&text[..6]),
        }
        rest
    }

    fn half(&mut self, half: u16) {
        self.has_halves = true;
        self.text.push(mark(half));
    }
}

/// The number of an escape `\uXXXX` at the start of `text`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}
