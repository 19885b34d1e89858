//! Commands that begin with a slash, as a terminal shows them.

use wharf_protocol::slash::{SlashCommand, Surface};

/// The list of commands.
pub fn help() -> String {
    let line = |command: SlashCommand| {
        let hint = command.hint().map(|hint| format!(" [{hint}]")).unwrap_or_default();
        format!("{:<18} {}\n", format!("/{}{hint}", command.id()), command.description())
    };
    SlashCommand::offered(Surface::Terminal).map(line).collect()
}

/// What to say of a name that is none of ours.
pub fn unknown(name: &str) -> String {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let nearest = SlashCommand::ALL.map(SlashCommand::id).into_iter().min_by_key(|known| distance(known));
    let hint = nearest.filter(|known| distance(known) <= 2).map(|known| format!("; did you mean /{known}?"));
    format!("there is no command /{name}{}; /help lists them", hint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_suggested() {
        assert!(unknown("sesions").contains("/sessions?"));
        assert!(!unknown("something").contains("did you mean"));
        assert_eq!(help().lines().count(), SlashCommand::ALL.len());
    }
}
