//! `test` and `[`: what is asked of files and texts.

use super::Reads;
use crate::reading::Word;

const OF_FILES: [&str; 17] =
    ["-e", "-f", "-d", "-r", "-w", "-x", "-s", "-L", "-h", "-p", "-S", "-b", "-c", "-g", "-u", "-k", "-O"];

const BETWEEN_NUMBERS: [&str; 6] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

pub(super) fn reads(program: &str, words: &[Word]) -> Option<Reads> {
    let texts: Vec<&str> = words.iter().map(Word::known).collect::<Option<_>>()?;
    let texts = match (program, texts.split_last()) {
        ("[", Some((&"]", before))) => before,
        ("[", _) => return None,
        _ => &texts,
    };
    let texts = texts.strip_prefix(&["!"]).unwrap_or(texts);
    let paths = match texts {
        [mark, path] if OF_FILES.contains(mark) => vec![(*path).to_owned()],
        ["-n" | "-z", _] => Vec::new(),
        [_, "=" | "!=" | "==", _] => Vec::new(),
        [one, "-nt" | "-ot" | "-ef", other] => vec![(*one).to_owned(), (*other).to_owned()],
        [one, between, other] if BETWEEN_NUMBERS.contains(between) => {
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            (is_number(one) && is_number(other)).then(Vec::new)?
        }
        _ => return None,
    };
    Some(Reads { paths, is_builtin: true, ..Reads::default() })
}
