//! What a prompt asks for, as far as the demo model understands it.

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Intent {
    Overview,
    List { path: String },
    Read { path: String },
    Search { words: String },
    FindFiles { pattern: String },
    Write { path: String, content: String },
    Replace { old: String, new: String, path: String },
    Run { command: String },
}

/// The things that a prompt asks for, in order; none where nothing was understood.
pub(super) fn parse(prompt: &str) -> Vec<Intent> {
    let mut intents = Vec::new();
    for part in parts(&pieces(prompt)) {
        match intent(&part) {
            Some(intent) => intents.push(intent),
            // Half of a request would be worse than none of it.
            None => return Vec::new(),
        }
    }
    intents
}

/// A word, or something in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Word(String),
    Quoted(String),
}

impl Piece {
    fn is_word(&self, words: &[&str]) -> bool {
        matches!(self, Self::Word(word) if words.contains(&bare(word).to_lowercase().as_str()))
    }
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| matches!(c, ',' | ';' | ':' | '?' | '!' | '(' | ')')).trim_end_matches('.')
}

fn pieces(prompt: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = prompt.trim_start();
    while !rest.is_empty() {
        let (piece, length) = quoted(rest).unwrap_or_else(|| {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (Piece::Word(rest[..end].to_owned()), end)
        });
        pieces.push(piece);
        rest = rest[length..].trim_start();
    }
    pieces
}

/// Something in quotes at the start of `text`, and where it ends.
fn quoted(text: &str) -> Option<(Piece, usize)> {
    let (open, close) = [("```", "```"), ("`", "`"), ("\"", "\""), ("'", "'"), ("\u{201c}", "\u{201d}")]
        .into_iter()
        .find(|(open, _)| text.starts_with(open))?;
    let inside = &text[open.len()..];
    let end = inside.find(close)?;
    let content = if open == "```" {
        // The first line of a fence names its language.
        let body = inside[..end].split_once('\n').map_or(&inside[..end], |(_, body)| body);
        body.to_owned()
    } else {
        inside[..end].replace("\\n", "\n").replace("\\t", "\t")
    };
    let after = open.len() + end + close.len();
    // Punctuation behind the closing quote belongs to the sentence.
    let tail =
        text[after..].find(|c: char| !matches!(c, ',' | '.' | ';' | ':' | '?' | '!')).unwrap_or(text.len() - after);
    Some((Piece::Quoted(content), after + tail))
}

/// The pieces between "then"s.
fn parts(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut parts = Vec::new();
    for part in pieces.split(|piece| piece.is_word(&["then"])) {
        let mut part = part.to_vec();
        while part.last().is_some_and(|piece| piece.is_word(&["and", ""])) {
            part.pop();
        }
        while part
            .first()
            .is_some_and(|piece| piece.is_word(&["and", "please", "now", "first", "can", "could", "you", ""]))
        {
            part.remove(0);
        }
        if !part.is_empty() {
            parts.push(part);
        }
    }
    parts
}

fn intent(part: &[Piece]) -> Option<Intent> {
    let says = |words: &[&str]| part.iter().any(|piece| piece.is_word(words));
    let quotes: Vec<&str> = part
        .iter()
        .filter_map(|piece| match piece {
            Piece::Quoted(text) => Some(text.as_str()),
            Piece::Word(_) => None,
        })
        .collect();
    let begins = |words: &[&str]| part.first().is_some_and(|piece| piece.is_word(words));

    if says(&["run", "execute"]) {
        if let Some(command) = quotes.first() {
            return Some(Intent::Run { command: (*command).to_owned() });
        }
        if begins(&["run", "execute"]) && part.len() > 1 {
            return Some(Intent::Run { command: words(&part[1..]) });
        }
    }
    if says(&["replace", "change", "rename"])
        && let [old, new, quoted_path @ ..] = quotes.as_slice()
        && let Some(path) = path(part).or_else(|| quoted_path.first().map(|path| (*path).to_owned()))
    {
        return Some(Intent::Replace { old: (*old).to_owned(), new: (*new).to_owned(), path });
    }
    if says(&["create", "write", "make", "save"]) {
        if let Some(path) = path(part) {
            let content = quotes.first().copied().unwrap_or_default();
            return Some(Intent::Write { path, content: with_line_end(content) });
        }
        if let [path, content, ..] = quotes.as_slice() {
            return Some(Intent::Write { path: (*path).to_owned(), content: with_line_end(content) });
        }
        return None;
    }
    if says(&["search", "find", "grep", "locate"]) || (says(&["look"]) && says(&["for"])) {
        return search(part, &quotes);
    }
    if says(&["project", "codebase", "repo", "repository", "overview"]) && path(part).is_none() {
        return Some(Intent::Overview);
    }
    let reads =
        says(&["read", "show", "open", "cat", "print", "view", "display", "what", "explain", "summarize", "summarise"]);
    if reads && let Some(path) = path(part).or_else(|| quotes.first().map(|path| (*path).to_owned())) {
        return Some(Intent::Read { path });
    }
    if says(&["list", "ls", "files", "directory", "folder"]) {
        let path =
            path(part).or_else(|| after(part, &["in", "under", "inside", "ls"])).unwrap_or_else(|| ".".to_owned());
        return Some(Intent::List { path });
    }
    if says(&["read", "open", "cat"]) {
        return after(part, &["read", "open", "cat", "file"]).map(|path| Intent::Read { path });
    }
    None
}

fn search(part: &[Piece], quotes: &[&str]) -> Option<Intent> {
    let wanted = match quotes.first() {
        Some(text) => (*text).to_owned(),
        None => {
            let verb = part.iter().position(|piece| piece.is_word(&["search", "find", "grep", "locate", "look"]))?;
            let filler =
                ["for", "the", "word", "text", "all", "files", "named", "called", "in", "code", "me", "where", "is"];
            let mut rest = &part[verb + 1..];
            while rest.first().is_some_and(|piece| piece.is_word(&filler)) {
                rest = &rest[1..];
            }
            let end = rest.iter().position(|piece| piece.is_word(&["in", "inside", "under"])).unwrap_or(rest.len());
            words(&rest[..end])
        }
    };
    if wanted.is_empty() {
        None
    } else if wanted.contains('*') {
        Some(Intent::FindFiles { pattern: wanted })
    } else {
        Some(Intent::Search { words: wanted })
    }
}

/// The first word that looks like a path.
fn path(part: &[Piece]) -> Option<String> {
    part.iter().find_map(|piece| match piece {
        Piece::Word(word) => {
            let word = bare(word);
            let inner_dot = word.trim_start_matches('.').contains('.') || (word.starts_with('.') && word.len() > 2);
            let looks =
                (inner_dot || word.contains('/')) && !word.contains("://") && word.chars().any(char::is_alphanumeric);
            looks.then(|| word.to_owned())
        }
        Piece::Quoted(_) => None,
    })
}

/// The word or quote behind one of `words`, articles passed over.
fn after(part: &[Piece], words: &[&str]) -> Option<String> {
    let at = part.iter().position(|piece| piece.is_word(words))?;
    part[at + 1..]
        .iter()
        .find(|piece| !piece.is_word(&["the", "this", "my", "file", "folder", "directory", "me", "here", "files"]))
        .map(|piece| match piece {
            Piece::Word(word) => bare(word).to_owned(),
            Piece::Quoted(text) => text.clone(),
        })
}

fn words(part: &[Piece]) -> String {
    let words: Vec<&str> = part
        .iter()
        .map(|piece| match piece {
            Piece::Word(word) | Piece::Quoted(word) => word.as_str(),
        })
        .collect();
    words.join(" ").trim_end_matches(['?', '.', '!', ',']).to_owned()
}

fn with_line_end(content: &str) -> String {
    if content.is_empty() || content.ends_with('\n') { content.to_owned() } else { format!("{content}\n") }
}
