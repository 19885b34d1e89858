//! What a change did to a file, for people: a unified diff and, where they are small, both texts.

use std::time::Duration;

use similar::TextDiff;
use wharf_protocol::tool::FileDiff;

/// Texts beyond this stay out of the log; the patch says it.
const TEXT_MAX_BYTES: usize = 256 * 1024;
const PATCH_MAX_BYTES: usize = 1024 * 1024;
/// Two unlike files of many lines cost quadratic time; then the diff gets coarse, not late.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// The change of the file `path` (absolute), called `name` inside the workspace. `None` is a file that is not there.
pub(crate) fn file_diff(path: String, name: &str, old: Option<&str>, new: Option<&str>) -> FileDiff {
    let header = |side: char, text: Option<&str>| match text {
        Some(_) => format!("{side}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let diff = TextDiff::configure().timeout(TIME_LIMIT).diff_lines(old.unwrap_or(""), new.unwrap_or(""));
    let mut patch = diff.unified_diff().context_radius(3).header(&header('a', old), &header('b', new)).to_string();
    if patch.len() > PATCH_MAX_BYTES {
        let end = patch[..patch.floor_char_boundary(PATCH_MAX_BYTES)].rfind('\n').map_or(0, |at| at + 1);
        let missing = patch.len() - end;
        patch.truncate(end);
        patch.push_str(&format!("\\ {missing} bytes of this diff are left out\n"));
    }
    let small = [old, new].into_iter().flatten().all(|text| text.len() <= TEXT_MAX_BYTES);
    let keep = |text: Option<&str>| text.filter(|_| small).map(str::to_owned);
    FileDiff { path, old_text: keep(old), new_text: keep(new), patch }
}

/// A change whose old content is no text.
pub(crate) fn binary_diff(path: String, name: &str, new: Option<&str>) -> FileDiff {
    let after = if new.is_some() { format!("b/{name}") } else { "/dev/null".into() };
    let new_text = new.filter(|text| text.len() <= TEXT_MAX_BYTES).map(str::to_owned);
    FileDiff { path, old_text: None, new_text, patch: format!("Binary files a/{name} and {after} differ\n") }
}
