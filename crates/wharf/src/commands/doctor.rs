//! `wharf doctor`: what this installation is like, and what can be saved of a store that is damaged. It changes nothing.

mod export;
mod findings;
mod machine;
mod state;
mod store;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::json;

use self::findings::{Findings, Level};
use super::print_json;
use crate::cli::{DoctorArgs, DoctorCommand, Global};
use crate::config as configuration;
use crate::failure::Exit;
use crate::output;
use crate::terminal::{Style, clean};

/// Runs before there is a configuration or a state directory: either may be what is wrong.
pub fn run(global: &Global, args: &DoctorArgs, environment: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let directory = crate::state::locate(environment)?;
    if let Some(DoctorCommand::Export(args)) = &args.command {
        return export::run(&directory, args);
    }
    let mut findings = Findings::default();
    let loaded = configuration::load(global.config.as_deref(), environment, Vec::new());
    let config = match loaded {
        Ok(layered) => {
            let path = layered.path.as_ref().filter(|path| path.exists());
            findings.ok("configuration", path.map_or("defaults".to_owned(), |path| path.display().to_string()));
            for name in &layered.strangers {
                findings
                    .warn("configuration", format!("the variable {name} is not one of wharf's"))
                    .hint("check its name");
            }
            Some(layered.config)
        }
        Err(error) => {
            findings.error("configuration", error.to_string()).hint("`wharf config schema` describes every key");
            None
        }
    };
    state::examine(&directory, &mut findings);
    machine::examine_disk(&directory, &mut findings);
    let health = store::examine(&directory.join("wharf.db"), args.quick, &mut findings);
    machine::examine_containment(&mut findings);
    if let Some(config) = &config {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.context("cannot start threads")?;
        runtime.block_on(machine::examine_models(config, environment, &mut findings));
        runtime.shutdown_background();
    }
    if args.json {
        print_json(&json!({ "healthy": findings.worst() < Level::Error, "findings": findings, "store": health }))?;
    } else {
        output::out(&shown(&findings));
    }
    Ok(if findings.worst() == Level::Error { Exit::Failed } else { Exit::Completed })
}

fn shown(findings: &Findings) -> String {
    let style = Style::for_stdout();
    let mut text = String::new();
    for finding in findings.iter() {
        let mark = match finding.level {
            Level::Ok => "✓".to_owned(),
            Level::Warning => style.bold("!"),
            Level::Error => style.error("✗"),
        };
        text.push_str(&format!("{mark} {}: {}\n", style.bold(finding.about), clean(&finding.message)));
        for detail in &finding.details {
            text.push_str(&format!("    {}\n", clean(detail)));
        }
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("    {} {}\n", style.dim("hint:"), clean(hint)));
        }
    }
    text
}
