//! The scripted model as a program: `scripted-model [--port PORT]`. It prints its base URL and serves until killed.

use std::process::ExitCode;

use wharf_testkit::ScriptedModel;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let port = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Some(0),
        (Some("--port"), Some(port)) => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("usage: scripted-model [--port PORT]");
        return ExitCode::from(2);
    };
    match ScriptedModel::start_on(port, false).await {
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
