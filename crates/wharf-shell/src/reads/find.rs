//! `find`: tests and what prints.

use super::Reads;
use crate::reading::Word;

const FLAGS: [&str; 17] = [
    "-print", "-print0", "-o", "-a", "-or", "-and", "!", "-not", "(", ")", "-empty", "-prune", "-quit", "-true",
    "-false", "-mount", "-xdev",
];

const VALUED: [&str; 22] = [
    "-name",
    "-iname",
    "-path",
    "-ipath",
    "-wholename",
    "-regex",
    "-iregex",
    "-type",
    "-maxdepth",
    "-mindepth",
    "-size",
    "-mtime",
    "-mmin",
    "-ctime",
    "-cmin",
    "-atime",
    "-amin",
    "-perm",
    "-user",
    "-group",
    "-links",
    "-printf",
];

pub(super) fn reads(words: &[Word]) -> Option<Reads> {
    let texts: Vec<&str> = words.iter().map(Word::known).collect::<Option<_>>()?;
    let first =
        texts.iter().position(|text| text.starts_with('-') || matches!(*text, "(" | "!")).unwrap_or(texts.len());
    let (paths, mut rest) = texts.split_at(first);
    while let Some((test, behind)) = rest.split_first() {
        rest = if FLAGS.contains(test) {
            behind
        } else if VALUED.contains(test) {
            behind.get(1..)?
        } else {
            return None;
        };
    }
    let paths = if paths.is_empty() { &["."][..] } else { paths };
    Some(Reads { paths: paths.iter().map(|path| (*path).to_owned()).collect(), is_deep: true, ..Reads::default() })
}
