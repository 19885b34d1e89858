//! `sed`: addresses with `p`, `d`, `q` or `=`, and substitutions that neither write nor run.

use super::Reads;
use crate::reading::Word;

pub(super) fn reads(words: &[Word]) -> Option<Reads> {
    let texts: Vec<&str> = words.iter().map(Word::known).collect::<Option<_>>()?;
    let (mut scripts, mut operands) = (Vec::new(), Vec::new());
    let mut texts = texts.into_iter();
    while let Some(text) = texts.next() {
        match text {
            "-n" | "-E" | "-r" | "-nE" | "-nr" | "-En" | "--quiet" | "--silent" | "--regexp-extended" => {}
            "-e" => scripts.push(texts.next()?),
            "-ne" => scripts.push(texts.next()?),
            _ if text.starts_with('-') => return None,
            _ => operands.push(text),
        }
    }
    if scripts.is_empty() {
        if operands.is_empty() {
            return None;
        }
        scripts.push(operands.remove(0));
    }
    scripts.into_iter().all(is_harmless).then_some(())?;
    Some(Reads { paths: operands.into_iter().map(str::to_owned).collect(), ..Reads::default() })
}

/// Commands between semicolons. A line end or a brace makes it something else.
fn is_harmless(script: &str) -> bool {
    if script.contains(['\n', '{', '}']) && !script.starts_with("s/") {
        return false;
    }
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', ';']);
        if rest.is_empty() {
            return true;
        }
        let Some(behind) = command(rest) else { return false };
        rest = behind.trim_start_matches(' ');
        if !rest.is_empty() && !rest.starts_with(';') {
            return false;
        }
    }
}

fn command(text: &str) -> Option<&str> {
    let mut rest = address(text)?;
    if let Some(behind) = rest.strip_prefix(',') {
        rest = address(behind.trim_start_matches(' ')).filter(|after| after.len() < behind.len())?;
    }
    rest = rest.trim_start_matches([' ', '!']);
    if let Some(behind) = rest.strip_prefix(['p', 'd', 'q', '=']) {
        return Some(behind);
    }
    let behind = rest.strip_prefix('s')?;
    let mark = behind.chars().next().filter(|mark| "/|#,@:".contains(*mark))?;
    let mut rest = &behind[1..];
    for _ in 0..2 {
        rest = until(rest, mark)?;
    }
    let flags = rest.find([';', ' ']).unwrap_or(rest.len());
    rest[..flags].bytes().all(|flag| b"gpiI0123456789".contains(&flag)).then(|| &rest[flags..])
}

/// What follows an address, or the whole text where there is none.
fn address(text: &str) -> Option<&str> {
    if let Some(behind) = text.strip_prefix('$') {
        return Some(behind);
    }
    if let Some(behind) = text.strip_prefix('/') {
        return until(behind, '/');
    }
    if let Some(behind) = text.strip_prefix('+') {
        return behind.starts_with(|letter: char| letter.is_ascii_digit()).then(|| number(behind));
    }
    Some(number(text))
}

fn number(text: &str) -> &str {
    text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '~')
}

/// What follows the mark that is not escaped. In brackets a mark may mean itself: such a text is left alone.
fn until(text: &str, mark: char) -> Option<&str> {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()?),
            '\n' => return None,
            '[' if text[at..].split(']').next().is_some_and(|inside| inside.contains(mark)) => return None,
            _ if letter == mark => return Some(&text[at + letter.len_utf8()..]),
            _ => {}
        }
    }
    None
}
