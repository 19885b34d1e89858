//! `wharf logs`: the end of the server's log, and what is added to it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::LogsArgs;
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::journal;
use crate::output;
use crate::terminal::clean;

/// How often a log that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// Most that is read of the end of a file to find its last lines; more lines than are in it are not shown.
const TAIL_MAX_BYTES: u64 = 4 << 20;
/// Read at once of a file that grows.
const PIECE_BYTES: usize = 1 << 16;

pub async fn run(context: &Context, args: &LogsArgs) -> anyhow::Result<Exit> {
    let path = journal::file(context.state.path());
    if args.path {
        output::out(&format!("{}\n", path.display()));
        return Ok(Exit::Completed);
    }
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::new(
                Exit::Failed,
                format!("no server has written a log: {} is not there", path.display()),
            )
            .hint("`wharf serve` starts a server")
            .into());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut text = String::new();
    if let Ok(mut older) = File::open(journal::older_file(context.state.path())) {
        text.push_str(&end_of(&mut older)?);
    }
    text.push_str(&end_of(&mut file)?);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(args.lines)..] {
        if !output::out(&format!("{}\n", clean(line))) {
            return Ok(Exit::Completed);
        }
    }
    if args.follow { follow(context, file).await } else { Ok(Exit::Completed) }
}

/// The whole lines at the end of a file, up to its end, where it is left.
fn end_of(file: &mut File) -> anyhow::Result<String> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL_MAX_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.by_ref().take(TAIL_MAX_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        Some((_cut, rest)) if from > 0 => rest.to_owned(),
        _ => text,
    })
}

/// Prints what is added, also after the file made room for a new one, until Ctrl-C or until nobody reads.
async fn follow(context: &Context, mut file: File) -> anyhow::Result<Exit> {
    let path = journal::file(context.state.path());
    let mut line = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            let replaced =
                std::fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|ours| ours.ino() != now.ino()));
            if replaced && let Ok(next) = File::open(&path) {
                file = next;
                continue;
            }
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Completed),
                () = tokio::time::sleep(PAUSE) => continue,
            }
        }
        for &byte in &piece[..read] {
            if byte != b'\n' && line.len() < PIECE_BYTES {
                line.push(byte);
                continue;
            }
            if !output::out(&format!("{}\n", clean(&String::from_utf8_lossy(&line)))) {
                return Ok(Exit::Completed);
            }
            line.clear();
            if byte != b'\n' {
                // A line of this length is printed in parts.
                line.push(byte);
            }
        }
    }
}
