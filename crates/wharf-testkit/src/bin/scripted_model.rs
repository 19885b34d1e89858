//! The scripted model as a program: `scripted-model [--port PORT] [--check]`. It prints its base URL and serves until killed.
//!
//! With `--check` it looks at the history of every request; `GET /v1/histories` tells what was wrong with them.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::process::ExitCode;

use wharf_testkit::ScriptedModel;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some((port, check)) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: scripted-model [--port PORT] [--check]");
        return ExitCode::from(2);
    };
    match ScriptedModel::start_on(port, check).await {
        Ok(model) => {
            println!("{}", model.url());
            std::future::pending().await
        }
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<(u16, bool)> {
    let (mut port, mut check) = (0, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--port" => port = words.next()?.parse().ok()?,
            "--check" => check = true,
            _ => return None,
        }
    }
    Some((port, check))
}
