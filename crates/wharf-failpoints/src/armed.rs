//! What the harness has asked for, and its execution.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::names::{HELPER_POINTS, MISTAKES, POINTS};

static ORDERS: OnceLock<Orders> = OnceLock::new();

#[derive(Debug, Default)]
struct Orders {
    kills: Vec<Kill>,
    mistakes: Vec<String>,
    trace: Option<File>,
}

/// Dies when the point is met for the n-th time.
#[derive(Debug)]
struct Kill {
    point: String,
    /// Only with this one.
    subject: Option<String>,
    left: AtomicU64,
}

/// Takes orders: `kill=POINT@N`, `kill=POINT/SUBJECT@N`, `mistake=NAME` and `trace=FILE`, with `;` between them. Once for the whole process.
///
/// # Errors
/// An order that is not understood, or orders given twice.
pub fn arm(orders: &str) -> Result<(), String> {
    let mut parsed = Orders::default();
    for order in orders.split(';').filter(|order| !order.is_empty()) {
        match order.split_once('=') {
            Some(("kill", kill)) => parsed.kills.push(parse_kill(kill)?),
            Some(("mistake", name)) if MISTAKES.contains(&name) => parsed.mistakes.push(name.to_owned()),
            Some(("trace", path)) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                parsed.trace = Some(file.map_err(|error| format!("{path}: {error}"))?);
            }
            _ => return Err(format!("not an order: {order:?}")),
        }
    }
    ORDERS.set(parsed).map_err(|_| "orders were given already".to_owned())
}

fn parse_kill(text: &str) -> Result<Kill, String> {
    let (point, count) = text.split_once('@').unwrap_or((text, "1"));
    let left = count.parse().map_err(|_| format!("not a count: {count:?}"))?;
    let (point, subject) = match point.split_once('/') {
        Some((point, subject)) => (point, Some(subject.to_owned())),
        None => (point, None),
    };
    if !(POINTS.contains(&point) || HELPER_POINTS.contains(&point)) || left == 0 {
        return Err(format!("not a point that can be met so often: {text:?}"));
    }
    Ok(Kill { point: point.to_owned(), subject, left: AtomicU64::new(left) })
}

pub(crate) fn point(name: &str) {
    meet(name, None);
}

pub(crate) fn point_for(name: &str, subject: &str) {
    meet(name, Some(subject));
}

fn meet(name: &str, subject: Option<&str>) {
    let Some(orders) = ORDERS.get() else { return };
    let is_meant = |kill: &&Kill| kill.point == name && kill.subject.as_deref().is_none_or(|it| Some(it) == subject);
    for kill in orders.kills.iter().filter(is_meant) {
        if kill.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            die();
        }
    }
}

/// As `kill -9` from outside: no destructor, no flush, no handler.
fn die() -> ! {
    loop {
        // It cannot fail: the process may always signal itself.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

pub(crate) fn mistake(name: &str) -> bool {
    ORDERS.get().is_some_and(|orders| orders.mistakes.iter().any(|mistake| mistake == name))
}

pub(crate) fn inherited() -> Option<(&'static str, String)> {
    let orders = ORDERS.get()?;
    let mistakes = orders.mistakes.iter().map(|name| format!("mistake={name};"));
    let helpers = orders.kills.iter().filter(|kill| HELPER_POINTS.contains(&kill.point.as_str()));
    // The server meets none of these points, so the count is the one that was ordered.
    let kills = helpers.map(|kill| format!("kill={}@{};", kill.point, kill.left.load(Ordering::SeqCst)));
    let handed_on: String = mistakes.chain(kills).collect();
    (!handed_on.is_empty()).then_some(("WHARF_FAILPOINTS", handed_on))
}

pub(crate) fn trace(step: &str, number: u64) {
    let Some(mut file) = ORDERS.get().and_then(|orders| orders.trace.as_ref()) else { return };
    // One write a line: the file is open for appending, so that lines of several threads stay whole. A trace that cannot be
    // written shows as a step that is missing.
    let _ = file.write_all(format!("{} {step} {number}\n", std::process::id()).as_bytes());
}
