//! From the start of the process to its first healthy answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use wharf_testkit::free_port;
use wharf_testkit::process::{WharfHome, wharf_binary};

use crate::lab::percentile;
use crate::table::{Figure, Table};

const STARTS: usize = 20;
const START_LIMIT: Duration = Duration::from_secs(10);

pub async fn measure(table: &mut Table) -> Result<()> {
    let home = WharfHome::new();
    // The first start makes the database and the key; it is not the one that is compared.
    let first = time_wharf(&home)?;
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..STARTS {
        ours.push(time_wharf(&home)?);
        bare.push(time_hello()?);
    }
    let median = |values: &mut Vec<f64>| Figure::seconds(percentile(values, 0.5));
    table.compare("start to first healthy answer", median(&mut ours), ("hello server", median(&mut bare)), "10 ms");
    table.add("the same, first start of all", Figure::seconds(first), "-");
    Ok(())
}

/// Seconds until the real program answers.
pub fn time_wharf(home: &WharfHome) -> Result<f64> {
    let port = free_port();
    let mut command = Command::new(wharf_binary());
    command.args(["serve", "--host", "127.0.0.1", "--auth", "key", "--permission", "full", "--model", "demo"]);
    command.args(["--port", &port.to_string()]).arg("--work-dir").arg(home.work.path());
    command.env("WHARF_STATE_DIR", home.state.path()).env("XDG_CONFIG_HOME", home.state.path());
    time(&mut command, port)
}

/// Seconds until the stand-in answers.
pub fn time_hello() -> Result<f64> {
    let port = free_port();
    time(Command::new(std::env::current_exe()?).args(["hello", &port.to_string()]), port)
}

fn time(command: &mut Command, port: u16) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let child = Running(command.spawn()?);
    while !answers(port) {
        ensure!(started.elapsed() < START_LIMIT, "no answer {START_LIMIT:?} after the start");
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = started.elapsed().as_secs_f64();
    drop(child);
    Ok(took)
}

/// One request on a fresh connection, without a runtime in the way.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = format!("GET /health HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    let mut answer = [0; 12];
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut answer).is_ok() && answer.ends_with(b" 200")
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
