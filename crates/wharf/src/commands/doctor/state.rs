//! The state directory: whose it is, who may look into it, and which server works on it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wharf_client::{DISCOVERY_FILE, Discovery};

use super::findings::Findings;

const ABOUT: &str = "state directory";

pub fn examine(directory: &Path, findings: &mut Findings) {
    let shown = directory.display();
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            findings.ok(ABOUT, format!("{shown} is not there yet: the first command makes it"));
            return;
        }
        Err(error) => {
            findings.error(ABOUT, format!("{shown}: {error}"));
            return;
        }
        Ok(found) if !found.is_dir() => {
            findings
                .error(ABOUT, format!("{shown} is no directory"))
                .hint("set WHARF_STATE_DIR to a directory of yours");
            return;
        }
        Ok(found) if found.uid() != rustix::process::geteuid().as_raw() => {
            findings
                .error(ABOUT, format!("{shown} belongs to somebody else"))
                .hint("set WHARF_STATE_DIR to one of yours");
        }
        Ok(found) if found.mode() & 0o022 != 0 => {
            findings.error(ABOUT, format!("{shown} can be written by others")).hint(format!("`chmod 700 {shown}`"));
        }
        Ok(found) if found.mode() & 0o055 != 0 => {
            findings.warn(ABOUT, format!("{shown} can be read by others")).hint("the next command mends that");
        }
        Ok(_) => {
            findings.ok(ABOUT, shown.to_string());
        }
    }
    examine_key(&directory.join("key"), findings);
    examine_server(directory, findings);
}

fn examine_key(path: &Path, findings: &mut Findings) {
    const ABOUT: &str = "key";
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            findings.ok(ABOUT, "none yet: the first server makes one");
        }
        Err(error) => {
            findings.error(ABOUT, format!("{shown}: {error}"));
        }
        Ok(found) if !found.is_file() => {
            findings
                .error(ABOUT, format!("{shown} is no plain file"))
                .hint("delete it: the next server makes a new key");
        }
        Ok(found) if found.mode() & 0o077 != 0 => {
            findings
                .error(ABOUT, format!("{shown} can be read by others"))
                .hint("`chmod 600` it, or delete it for a new key if others may have seen it");
        }
        Ok(found) if found.len() == 0 => {
            findings.error(ABOUT, format!("{shown} is empty")).hint("delete it: the next server makes a new key");
        }
        Ok(_) => {
            findings.ok(ABOUT, format!("{shown}, for you only"));
        }
    }
}

fn examine_server(directory: &Path, findings: &mut Findings) {
    const ABOUT: &str = "server";
    let announced = directory.join(DISCOVERY_FILE);
    match Discovery::find(directory) {
        Ok(Some(server)) => {
            findings.ok(ABOUT, format!("{} at {}, process {}", server.version, server.url, server.pid));
        }
        Ok(None) if announced.exists() => {
            findings.ok(ABOUT, "none runs; the last one was killed, and what it left unfinished goes on with the next");
        }
        Ok(None) => {
            findings.ok(ABOUT, "none runs");
        }
        Err(error) => {
            findings
                .warn(ABOUT, format!("{} cannot be read: {error}", announced.display()))
                .hint("clients do not find the server; starting it again writes the file anew");
        }
    }
}
