//! Numbers for Prometheus: counted without locks, written out when asked for.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// Statuses that are counted apart; the last slot takes the rest.
const STATUSES: [u16; 22] =
    [101, 200, 202, 204, 304, 400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504, 0];

#[derive(Debug)]
pub(crate) struct Metrics {
    /// One row a route, one for what no route matched.
    requests: Vec<[AtomicU64; STATUSES.len()]>,
    pub(crate) events_streamed: AtomicU64,
    pub(crate) bytes_streamed: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    /// Without a key, to make room.
    pub(crate) connections_evicted: AtomicU64,
    /// Frames and bodies for which the budget had no room.
    pub(crate) over_budget: AtomicU64,
    pub(crate) clients_stalled: AtomicU64,
}

impl Metrics {
    pub(crate) fn new(routes: usize) -> Self {
        Self {
            requests: (0..=routes).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect(),
            events_streamed: AtomicU64::new(0),
            bytes_streamed: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            connections_evicted: AtomicU64::new(0),
            over_budget: AtomicU64::new(0),
            clients_stalled: AtomicU64::new(0),
        }
    }

    /// `route` is an index of the catalogue; `None`: no route matched.
    pub(crate) fn count_request(&self, route: Option<usize>, status: StatusCode) {
        let row = route.unwrap_or(self.requests.len() - 1);
        let column = STATUSES.iter().position(|&known| known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        if let Some(cell) = self.requests.get(row).map(|row| &row[column]) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_streamed(&self, events: usize, bytes: usize) {
        self.events_streamed.fetch_add(events as u64, Ordering::Relaxed);
        self.bytes_streamed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// `routes` gives method and path of each index.
    pub(crate) fn write_requests(&self, out: &mut String, routes: &[(String, String)]) {
        header(out, "wharf_http_requests_total", "counter", "Answered HTTP requests.");
        let unmatched = (String::from("-"), String::from("unmatched"));
        for (index, row) in self.requests.iter().enumerate() {
            let (method, path) = routes.get(index).unwrap_or(&unmatched);
            for (status, cell) in STATUSES.iter().zip(row) {
                let count = cell.load(Ordering::Relaxed);
                if count > 0 {
                    let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                    let _ = writeln!(
                        out,
                        "wharf_http_requests_total{{method=\"{method}\",route=\"{path}\",status=\"{status}\"}} {count}"
                    );
                }
            }
        }
    }
}

/// The lines before a metric's samples.
pub(crate) fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A metric with one sample.
pub(crate) fn single(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    header(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

/// Resident memory of this process, in bytes; `None` where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // Linux on every machine that we build for has pages of 4 KiB unless told otherwise.
    Some(pages * 4096)
}
