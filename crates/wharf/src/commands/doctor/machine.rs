//! What the machine gives: room, ways to keep commands in, models.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::findings::Findings;
use crate::config::Config;
use crate::wiring;

/// Below this the store will soon take nothing more.
const ROOM_LEAST: u64 = 64 << 20;
const ROOM_LITTLE: u64 = 1 << 30;

/// For servers that are asked which models they have.
const MODELS_WAIT: Duration = Duration::from_secs(5);

pub fn examine_disk(directory: &Path, findings: &mut Findings) {
    const ABOUT: &str = "disk";
    // Where the directory is not there yet, what it will be made in.
    let Some(place) = directory.ancestors().find(|place| place.exists()) else { return };
    let found = match statvfs(place) {
        Ok(found) => found,
        Err(error) => {
            findings.warn(ABOUT, format!("{}: {error}", place.display()));
            return;
        }
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} MB free at {}", free >> 20, place.display());
    if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
        findings.error(ABOUT, format!("{} is on a file system that is mounted read-only", place.display()));
    } else if free < ROOM_LEAST {
        findings.error(ABOUT, text).hint("make room: the server takes nothing new on a full disk");
    } else if free < ROOM_LITTLE || (found.f_files > 0 && found.f_favail < 1_000) {
        findings.warn(ABOUT, format!("{text}, {} files can be made", found.f_favail));
    } else {
        findings.ok(ABOUT, text);
    }
}

pub fn examine_containment(findings: &mut Findings) {
    const ABOUT: &str = "commands";
    if cfg!(target_os = "linux") {
        findings.ok(ABOUT, "run below a supervisor; nothing that they start outlives the server");
    } else {
        findings.warn(ABOUT, "this system has no supervisor for them: what a command detaches may outlive the server");
    }
}

pub async fn examine_models(config: &Config, environment: &BTreeMap<String, String>, findings: &mut Findings) {
    const ABOUT: &str = "models";
    let models = match wiring::models(config, environment) {
        Ok(models) => models,
        Err(error) => {
            findings.error(ABOUT, error.to_string()).hint("set it, or name another variable in api_key_env");
            return;
        }
    };
    let list = models.list(MODELS_WAIT).await;
    let details: Vec<String> = list
        .providers
        .iter()
        .map(|provider| {
            let mark = if provider.available { "there" } else { "not there" };
            format!("{}: {mark}, {}", provider.name, provider.reason)
        })
        .collect();
    let message = format!("default {} ({})", list.default, list.reason);
    if list.default.starts_with("demo/") {
        findings
            .warn(ABOUT, message)
            .details(details)
            .hint("set a provider's key, or base_url for a model server; `demo` only shows how things work");
    } else {
        findings.ok(ABOUT, message).details(details);
    }
}
