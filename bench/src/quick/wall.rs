//! Wall time as a ratio to a stand-in, taken in turn: what disturbs one disturbs the other.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use wharf_testkit::process::WharfHome;

use crate::lab::{Lab, Server, percentile};
use crate::latency::timed_first_token;
use crate::quick::{Samples, add};
use crate::reader::read_reply;
use crate::start;

const STARTS: usize = 8;
const TURNS: usize = 40;
/// About what the log of a prompt is.
const RECORD: [u8; 4096] = [0; 4096];

/// What is measured over all rounds: a server and its session, and directories for starts.
pub struct Pair {
    server: Server,
    session: String,
    last_seq: u64,
    starts: WharfHome,
    /// Where the stand-in keeps what it was asked.
    kept: File,
}

impl Pair {
    pub async fn open(lab: &Lab) -> Result<Self> {
        let server = lab.server().await;
        let session = server.create_session().await?;
        server.turn(&session, "[[stream 1]]").await?;
        let last_seq = server.last_seq(&session).await?;
        let starts = WharfHome::new();
        // The first start makes the database and the key; it is not the one that is compared.
        start::time_wharf(&starts)?;
        let kept = File::create(server.home.state.path().join("kept"))?;
        Ok(Self { server, session, last_seq, starts, kept })
    }

    pub async fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            ours.push(start::time_wharf(&self.starts)?);
            bare.push(start::time_hello()?);
        }
        add(samples, "start: wall (x a hello server)".to_owned(), ratio(&mut ours, &mut bare));
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            ours.push(self.first_token().await?);
            bare.push(self.kept_and_proxied(lab).await?);
        }
        add(samples, "first token: wall (x a sync and a proxy)".to_owned(), ratio(&mut ours, &mut bare));
        Ok(())
    }

    async fn first_token(&mut self) -> Result<f64> {
        let (took, last_seq) = timed_first_token(&self.server, &self.session, self.last_seq).await?;
        self.last_seq = last_seq;
        Ok(took)
    }

    /// The least that keeps what it was asked before it shows an answer: one write, one sync, and a proxy.
    async fn kept_and_proxied(&mut self, lab: &Lab) -> Result<f64> {
        let asked = Instant::now();
        self.kept.write_all(&RECORD)?;
        self.kept.sync_data()?;
        read_reply(&mut lab.proxy.ask("[[stream 1]]").await?).await?;
        Ok(asked.elapsed().as_secs_f64())
    }
}

fn ratio(ours: &mut [f64], bare: &mut [f64]) -> f64 {
    percentile(ours, 0.5) / percentile(bare, 0.5)
}
