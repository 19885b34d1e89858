//! No import cycles: the top-level modules of a crate are its rooms, and of two rooms only one may use the other, directly or
//! through further ones.
//!
//! Read from the sources alone: every path that begins with `crate::`, or that leaves its room by `super::`. A name that the
//! crate's root only passes on (`pub use`) counts as the room's that it comes from. Tests may use what they like.

mod graph;
mod paths;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command::root;
use graph::{Graph, Use};
use paths::{leading_paths, passed_on, tokens};

/// The room of what stands in the root itself.
const ROOT: &str = "the root";

pub fn check() -> Result<()> {
    let mut cycles = 0;
    for krate in crates()? {
        let name = krate.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let found = graph_of(&krate)?.cycles();
        for cycle in &found {
            println!("{name}: its rooms use each other in a circle:");
            for step in cycle {
                println!("  {} uses {}: {}:{}", step.from, step.to, step.file, step.line);
            }
        }
        cycles += found.len();
    }
    ensure!(cycles == 0, "{cycles} import cycles");
    Ok(())
}

/// The workspace's members.
fn crates() -> Result<Vec<PathBuf>> {
    let dir = root().join("crates");
    let mut crates: Vec<PathBuf> = ["bench", "crash", "xtask"].iter().map(|name| root().join(name)).collect();
    for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        if path.join("src").is_dir() {
            crates.push(path);
        }
    }
    crates.sort();
    Ok(crates)
}

fn graph_of(krate: &Path) -> Result<Graph> {
    let src = krate.join("src");
    let mut files = BTreeMap::new();
    read_below(&src, &src, &mut files)?;
    Ok(graph(&files))
}

/// The sources of a crate, by their path below `src`. Programs beside the crate's own are crates of their own.
fn read_below(dir: &Path, src: &Path, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "tests" && path != src.join("bin") {
                read_below(&path, src, files)?;
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let below = path.strip_prefix(src)?.to_string_lossy().into_owned();
            files.insert(below, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Which room uses which, by the sources of one crate.
fn graph(files: &BTreeMap<String, String>) -> Graph {
    let rooms: Vec<String> = files.keys().filter_map(|file| module_of(file).into_iter().next()).collect();
    let roots: Vec<_> = files.iter().filter(|(file, _)| module_of(file).is_empty()).collect();
    let mut homes = BTreeMap::new();
    for (_, text) in &roots {
        homes.extend(passed_on(&tokens(text), &rooms));
    }
    let home = |name: &str| -> String {
        if rooms.iter().any(|room| room == name) {
            return name.to_owned();
        }
        homes.get(name).cloned().unwrap_or_else(|| ROOT.to_owned())
    };
    let mut graph = Graph::default();
    for (file, text) in files {
        let module = module_of(file);
        let from = module.first().cloned().unwrap_or_else(|| ROOT.to_owned());
        for path in leading_paths(&tokens(text), &module, &rooms) {
            let to = home(&path.name);
            if to != from {
                graph.add(Use { from: from.clone(), to, file: file.clone(), line: path.line });
            }
        }
    }
    graph
}

/// `a/b.rs` and `a/b/mod.rs` are `a::b`; the root is nothing.
fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") || (parts.len() == 1 && matches!(&*parts[0], "lib" | "main")) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests;
