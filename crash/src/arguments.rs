//! What the harness is told.

use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Kills a server at every step and checks what it promised")]
pub struct Arguments {
    /// Rounds; in each one the server is killed at least once
    #[arg(long, default_value_t = 100)]
    pub iterations: u64,
    /// The same seed kills at the same places
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Begin with this round
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// Seed each known mistake, or those named, and demand that its check finds it
    #[arg(long, value_name = "NAME", num_args = 0..)]
    pub mistakes: Option<Vec<String>>,
    /// Do not demand that what a server had started dies within 2 s of it (where there is no exec supervisor)
    #[arg(long)]
    pub allow_orphans: bool,
    /// A `wharf` that was built with the feature `failpoints`
    #[arg(long, value_name = "FILE")]
    pub wharf: PathBuf,
    /// The scripted model
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
}
