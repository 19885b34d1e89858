//! The environment, kept where no other process reads it.
//!
//! `/proc/PID/environ` shows what a program was started with for as long as it lives, whatever the program does about its
//! variables. Keys of providers stand there, and a command of the agent's that runs as root could read them. So the program
//! executes itself once more, with harmless variables only; all of them come over a file in memory that is closed once read.

use std::collections::BTreeMap;

type Environment = BTreeMap<String, String>;

#[cfg(target_os = "linux")]
pub use linux::open;

/// The whole environment. On systems without `/proc` there is nothing to hide it from.
#[cfg(not(target_os = "linux"))]
pub fn open() -> Environment {
    of(std::env::vars_os())
}

/// A name or value that is not UTF-8 cannot be one of ours.
fn of(variables: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    variables.into_iter().filter_map(text).collect()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{OsStr, OsString};
    use std::fs::File;
    use std::io::{self, Read, Seek, Write};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::{Environment, of};

    /// Names the descriptor of the file in memory.
    const HANDED: &str = "WHARF_SEALED_ENVIRONMENT";
    const FILE: &str = "wharf-environment";

    /// What libraries look up for themselves (the system's, the terminal's, certificates) and what holds no secret. All else is
    /// hidden.
    const PLAIN: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PWD",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TERM",
        "TERMINFO",
        "COLORTERM",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        "LINES",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NIX_SSL_CERT_FILE",
        "RUST_BACKTRACE",
        "RUST_LIB_BACKTRACE",
        "LLVM_PROFILE_FILE",
        "GLIBC_TUNABLES",
        "WHARF_CONFIG",
        "WHARF_STATE_DIR",
        "WHARF_FAILPOINTS",
    ];
    const PLAIN_PREFIXES: &[&str] = &["LC_", "LD_", "XDG_"];

    fn is_plain(name: &OsStr) -> bool {
        let Some(name) = name.to_str() else { return false };
        PLAIN.contains(&name) || PLAIN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    }

    /// The whole environment. Comes back in the program that was executed anew, where that was needed; the first thing that the
    /// program does.
    pub fn open() -> Environment {
        if let Some(number) = std::env::var_os(HANDED) {
            // Once only: a second time would not get further than the first.
            let mut environment = of(std::env::vars_os());
            environment.extend(take(&number).map(of).unwrap_or_default());
            environment.remove(HANDED);
            return environment;
        }
        if std::env::vars_os().any(|(name, _)| !is_plain(&name)) {
            // Where it fails (no `/proc`, no such call) the program works as well, and shows its variables to root.
            let _ = again();
        }
        of(std::env::vars_os())
    }

    /// Executes this program once more, with its arguments.
    fn again() -> io::Result<std::convert::Infallible> {
        // Open across the execution, which is what it is for.
        let mut file = File::from(memfd_create(FILE, MemfdFlags::empty())?);
        file.write_all(&written(std::env::vars_os()))?;
        file.rewind()?;
        let mut arguments = std::env::args_os();
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments).env_clear().envs(std::env::vars_os().filter(|(name, _)| is_plain(name)));
        Err(command.env(HANDED, file.as_raw_fd().to_string()).exec())
    }

    /// `NAME=VALUE` with a NUL behind each, as the kernel has it.
    fn written(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in variables {
            bytes.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Vec<(OsString, OsString)> {
        let pairs = bytes.split(|&byte| byte == 0).filter_map(|pair| {
            let at = pair.iter().position(|&byte| byte == b'=')?;
            Some((OsString::from_vec(pair[..at].to_vec()), OsString::from_vec(pair[at + 1..].to_vec())))
        });
        pairs.collect()
    }

    /// What the file in memory holds. The descriptor is closed: nobody below this process gets it.
    fn take(number: &OsStr) -> Option<Vec<(OsString, OsString)>> {
        let number: RawFd = number.to_str()?.parse().ok().filter(|number| *number > 2)?;
        let target = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        if !target.as_os_str().as_bytes().starts_with(format!("/memfd:{FILE}").as_bytes()) {
            return None;
        }
        #[expect(unsafe_code, reason = "no safe interface takes a descriptor that came with the execution")]
        // SAFETY: it is open, it is the file that this program made for itself before it executed itself, and in this process,
        // which has one thread and has opened nothing yet, nothing else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let mut bytes = Vec::new();
        File::from(descriptor).read_to_end(&mut bytes).ok()?;
        Some(read(&bytes))
    }

    #[cfg(test)]
    mod tests {
        //! What is hidden, and that all of it arrives.

        use super::*;

        fn pair(name: &[u8], value: &[u8]) -> (OsString, OsString) {
            (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()))
        }

        #[test]
        fn what_is_written_is_read() {
            let variables = [pair(b"A", b""), pair(b"B", b"x=y=\n z"), pair(b"C\xff", b"\xfe")];
            assert_eq!(read(&written(variables.clone())), variables);
            assert_eq!(read(b""), []);
        }

        #[test]
        fn what_is_not_known_to_be_harmless_is_hidden() {
            for name in ["OPENAI_API_KEY", "MY_THING", "HTTPS_PROXY", "WHARF_KEY", "PATH2", "LC", ""] {
                assert!(!is_plain(OsStr::new(name)), "{name}");
            }
            for name in ["PATH", "LC_ALL", "TERM", "LD_LIBRARY_PATH"] {
                assert!(is_plain(OsStr::new(name)), "{name}");
            }
        }

        #[test]
        fn no_other_descriptor_is_taken() {
            let other = File::open("/dev/null").unwrap();
            for number in
                [other.as_raw_fd().to_string(), "0".into(), "2".into(), "-1".into(), "x".into(), "99999".into()]
            {
                assert!(take(OsStr::new(&number)).is_none(), "{number}");
            }
        }
    }
}
