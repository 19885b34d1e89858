//! What work costs a server's processor: in instructions, or in processor time beside a proxy's.

use std::time::Duration;

use anyhow::{Context, Result};
use wharf_testkit::process::cpu_time;

use crate::lab::{Lab, Server};
use crate::quick::callgrind::{Counter, STAY};
use crate::quick::work::Template;
use crate::reader::read_reply;

/// Replies of the proxy that one unit of processor time is taken from.
const REPLIES: usize = 100;

/// A server, and the means by which its work is measured.
pub struct Gauge {
    pub server: Server,
    how: How,
}

enum How {
    Instructions {
        counter: Counter,
        start: f64,
    },
    ProcessorTime {
        /// Seconds that the proxy needs to pass on a short reply.
        reply: f64,
        used: Duration,
    },
}

impl Gauge {
    pub async fn start(lab: &Lab, template: &Template, by_instructions: bool) -> Result<Self> {
        let home = template.copy()?;
        if by_instructions {
            let mut counter = Counter::new();
            let process = lab.builder(&home).runner(&counter.runner()).env(STAY.0, STAY.1).start().await;
            let server = Server { process, home };
            let start = counter.take(server.pid())?;
            return Ok(Self { server, how: How::Instructions { counter, start } });
        }
        let process = lab.builder(&home).start().await;
        let server = Server { process, home };
        let used = cpu_of(server.pid())?;
        let reply = proxied(lab).await?;
        Ok(Self { server, how: How::ProcessorTime { reply, used } })
    }

    /// The name of a figure that this gauge takes.
    pub fn name(&self, what: &str) -> String {
        match self.how {
            How::Instructions { .. } => format!("{what}: CPU (instructions)"),
            How::ProcessorTime { .. } => format!("{what}: CPU (x a proxied reply)"),
        }
    }

    pub fn of_the_start(&self) -> Result<f64> {
        Ok(match &self.how {
            How::Instructions { start, .. } => *start,
            How::ProcessorTime { reply, used } => used.as_secs_f64() / reply,
        })
    }

    /// What is counted from here on is the work.
    pub fn begin(&mut self) -> Result<()> {
        let pid = self.server.pid();
        match &mut self.how {
            How::Instructions { counter, .. } => counter.take(pid).map(drop),
            How::ProcessorTime { used, .. } => {
                *used = cpu_of(pid)?;
                Ok(())
            }
        }
    }

    /// What the work since then cost.
    pub fn end(&mut self) -> Result<f64> {
        let pid = self.server.pid();
        match &mut self.how {
            How::Instructions { counter, .. } => counter.take(pid),
            How::ProcessorTime { reply, used } => Ok(cpu_of(pid)?.saturating_sub(*used).as_secs_f64() / *reply),
        }
    }
}

async fn proxied(lab: &Lab) -> Result<f64> {
    let before = cpu_of(lab.proxy.pid())?;
    for _ in 0..REPLIES {
        read_reply(&mut lab.proxy.ask("[[stream 1]]").await?).await?;
    }
    Ok((cpu_of(lab.proxy.pid())?.saturating_sub(before)).as_secs_f64() / REPLIES as f64)
}

fn cpu_of(pid: u32) -> Result<Duration> {
    cpu_time(pid).with_context(|| format!("process {pid} is gone"))
}
