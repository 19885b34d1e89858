//! Bytes to text across reads: a character that a read cuts in two is put together again.

/// Decodes a stream; bytes that are no UTF-8 become U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Utf8Stream {
    /// The beginning of a character whose rest has not come yet; at most three bytes.
    partial: Vec<u8>,
}

impl Utf8Stream {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        let joined;
        let mut rest = if self.partial.is_empty() {
            bytes
        } else {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            &joined[..]
        };
        let mut text = String::with_capacity(rest.len());
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => error,
            };
            let (valid, invalid) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            match error.error_len() {
                Some(len) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &invalid[len..];
                }
                None => {
                    self.partial = invalid.to_vec();
                    return text;
                }
            }
        }
    }

    /// What is left when no more bytes come.
    pub(crate) fn finish(&mut self) -> String {
        if self.partial.is_empty() {
            return String::new();
        }
        self.partial.clear();
        char::REPLACEMENT_CHARACTER.to_string()
    }
}

/// The whole characters of a piece that was cut out of a stream: `from..to`. At a cut in front, the rest of the character
/// before it is left out; at a cut behind, the beginning of the one after it.
pub(crate) fn utf8_boundaries(bytes: &[u8], cut_before: bool, cut_after: bool) -> (usize, usize) {
    let is_rest = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let from = if cut_before { bytes.iter().take(3).take_while(is_rest).count() } else { 0 };
    let mut to = bytes.len();
    if cut_after {
        // The last character begins among the last four bytes, if it is one.
        let start = (from..to).rev().take(4).find(|at| !is_rest(&&bytes[*at]));
        if let Some(start) = start
            && std::str::from_utf8(&bytes[start..]).is_err_and(|error| error.error_len().is_none())
        {
            to = start;
        }
    }
    (from, to)
}

#[cfg(test)]
mod tests;
