//! Streamed text as whole lines, for a screen on which somebody types below it.

/// Cuts a stream into lines: at its own line ends, and between words where a line gets as long as the screen is wide.
#[derive(Debug, Default)]
pub struct LineWrapper {
    line: String,
}

impl LineWrapper {
    /// Takes the next piece; gives the lines that are complete.
    pub fn push(&mut self, piece: &str, columns: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for c in piece.chars() {
            if c == '\n' {
                lines.push(std::mem::take(&mut self.line));
                continue;
            }
            self.line.push(c);
            if self.line.chars().count() >= columns {
                lines.push(self.cut());
            }
        }
        lines
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.line);
        (!rest.trim().is_empty()).then_some(rest)
    }

    fn cut(&mut self) -> String {
        let Some(space) = self.line.rfind(' ').filter(|&at| !self.line[..at].trim().is_empty()) else {
            return std::mem::take(&mut self.line);
        };
        let rest = self.line.split_off(space + 1);
        std::mem::replace(&mut self.line, rest).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_must() {
        let mut wrapper = LineWrapper::default();
        assert_eq!(wrapper.push("one\ntwo thr", 10), ["one"]);
        assert_eq!(wrapper.push("ee four", 10), ["two three"]);
        assert_eq!(wrapper.finish().as_deref(), Some("four"));
        assert_eq!(wrapper.finish(), None);
        assert_eq!(wrapper.push("abcdefghijkl", 10), ["abcdefghij"]);
        assert_eq!(wrapper.finish().as_deref(), Some("kl"));
    }
}
