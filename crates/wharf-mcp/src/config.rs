//! What a client or the configuration file says of a server, checked.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use wharf_protocol::mcp::{McpServer, McpSource, McpTransport, NamedValue};

/// Servers of one session, those of the configuration file apart.
const SERVERS_MAX: usize = 32;
/// A server's name, in characters.
const NAME_MAX: usize = 64;
/// All that one server is told: arguments, variables, headers.
const CONFIG_MAX_BYTES: usize = 256 << 10;
/// Shorter values are no secrets, and would be found everywhere.
const SECRET_MIN_BYTES: usize = 6;

/// Ours to set, or a way to make one request look like two.
const OWN_HEADERS: [&str; 11] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A server that cannot be taken: which part of it, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct BadServer {
    /// `[1].command`
    pub path: String,
    pub reason: String,
}

/// A server that can be tried.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) source: McpSource,
    pub(crate) place: Place,
    pub(crate) trust_annotations: bool,
    /// All of it, as text: equal for servers that are configured alike.
    pub(crate) identity: String,
}

/// Where a server is.
#[derive(Clone)]
pub(crate) enum Place {
    Program { command: PathBuf, args: Vec<String>, env: Vec<(String, String)> },
    Http { url: Url, headers: HeaderMap },
    Sse { url: Url, headers: HeaderMap },
}

impl Checked {
    pub(crate) fn transport(&self) -> McpTransport {
        match self.place {
            Place::Program { .. } => McpTransport::Stdio,
            Place::Http { .. } => McpTransport::Http,
            Place::Sse { .. } => McpTransport::Sse,
        }
    }

    /// The program or address, without anything that may be secret.
    pub(crate) fn target(&self) -> String {
        match &self.place {
            Place::Program { command, .. } => command.display().to_string(),
            Place::Http { url, .. } | Place::Sse { url, .. } => {
                let mut shown = url.clone();
                shown.set_query(None);
                shown.set_fragment(None);
                // Fails for addresses that have none.
                let _ = shown.set_username("");
                let _ = shown.set_password(None);
                shown.to_string()
            }
        }
    }

    /// `text` without the values that were given for this server alone.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let mut secrets: Vec<String> = match &self.place {
            Place::Program { env, .. } => env.iter().map(|(_, value)| value.clone()).collect(),
            Place::Http { url, headers } | Place::Sse { url, headers } => {
                let mut found: Vec<String> =
                    headers.values().filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect();
                // The scheme of an `Authorization` may be left out where it is told of.
                found.extend(headers.values().filter_map(|v| Some(v.to_str().ok()?.split_once(' ')?.1.to_owned())));
                found.extend(url.query().map(str::to_owned));
                found.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
                found.extend(url.password().map(str::to_owned));
                found
            }
        };
        secrets.retain(|secret| secret.len() >= SECRET_MIN_BYTES);
        // A longer one may hold a shorter one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[redacted]"))
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("name", &self.name).field("target", &self.target()).finish_non_exhaustive()
    }
}

/// Whether a session may have these servers.
pub fn check(servers: &[McpServer]) -> Result<(), BadServer> {
    checked(servers, McpSource::Session).map(drop)
}

/// Servers of the configuration file may name a program that is looked for in `PATH`.
pub(crate) fn checked(servers: &[McpServer], source: McpSource) -> Result<Vec<Checked>, BadServer> {
    if servers.len() > SERVERS_MAX {
        let reason = format!("{} servers; a session may have {SERVERS_MAX}", servers.len());
        return Err(BadServer { path: String::new(), reason });
    }
    let mut known: Vec<Checked> = Vec::with_capacity(servers.len());
    for (at, server) in servers.iter().enumerate() {
        let bad = |field: &str, reason: String| BadServer { path: format!("[{at}].{field}"), reason };
        let server = one(server, source).map_err(|(field, reason)| bad(&field, reason))?;
        if known.iter().any(|other| other.name == server.name) {
            return Err(bad("name", format!("{:?} is the name of two servers", server.name)));
        }
        known.push(server);
    }
    Ok(known)
}

type Bad = (String, String);

fn bad(field: &str, reason: impl Into<String>) -> Bad {
    (field.to_owned(), reason.into())
}

fn one(server: &McpServer, source: McpSource) -> Result<Checked, Bad> {
    let length = server.name.chars().count();
    if length == 0 || length > NAME_MAX || server.name.trim() != server.name {
        return Err(bad("name", format!("must have 1 to {NAME_MAX} characters, and no space around them")));
    }
    if wharf_foreign::visible::text(&server.name) != server.name || server.name.contains(['\n', '\t']) {
        return Err(bad("name", "must not hold control characters"));
    }
    let McpServer { name, transport, command, args, env, url, headers, trust_annotations } = server;
    let identity = serde_json::to_string(server).map_err(|error| bad("name", error.to_string()))?;
    if identity.len() > CONFIG_MAX_BYTES {
        return Err(bad(
            "name",
            format!("the server has {} bytes of settings; at most {CONFIG_MAX_BYTES}", identity.len()),
        ));
    }
    let place = match transport {
        McpTransport::Stdio => {
            refuse("url", url.is_some(), "is for `http` and `sse`; give `type` too")?;
            refuse("headers", !headers.is_empty(), "is for `http` and `sse`")?;
            program(command.as_deref(), args, env, source)?
        }
        McpTransport::Http | McpTransport::Sse => {
            refuse("command", command.is_some(), "is for `stdio`")?;
            refuse("args", !args.is_empty(), "is for `stdio`")?;
            refuse("env", !env.is_empty(), "is for `stdio`")?;
            let url = address(url.as_deref())?;
            let headers = header_map(headers)?;
            match transport {
                McpTransport::Sse => Place::Sse { url, headers },
                _ => Place::Http { url, headers },
            }
        }
    };
    Ok(Checked { name: name.clone(), source, place, trust_annotations: *trust_annotations, identity })
}

fn refuse(field: &str, is_there: bool, reason: &str) -> Result<(), Bad> {
    if is_there { Err(bad(field, reason)) } else { Ok(()) }
}

fn program(command: Option<&Path>, args: &[String], env: &[NamedValue], source: McpSource) -> Result<Place, Bad> {
    let command = command.ok_or_else(|| bad("command", "is missing"))?;
    let is_name = command.file_name().is_some_and(|name| name == command.as_os_str());
    let is_found = command.is_absolute() || (source == McpSource::Config && is_name);
    if !is_found {
        return Err(bad("command", format!("{} is not an absolute path", command.display())));
    }
    let has_nul = |text: &str| text.contains('\0');
    if has_nul(&command.to_string_lossy()) {
        return Err(bad("command", "must not hold a NUL byte"));
    }
    if let Some(at) = args.iter().position(|arg| has_nul(arg)) {
        return Err((format!("args[{at}]"), "must not hold a NUL byte".to_owned()));
    }
    for (at, NamedValue { name, value }) in env.iter().enumerate() {
        if name.is_empty() || name.contains('=') || has_nul(name) {
            return Err((format!("env[{at}].name"), "must not be empty or hold `=` or a NUL byte".to_owned()));
        }
        if has_nul(value) {
            return Err((format!("env[{at}].value"), "must not hold a NUL byte".to_owned()));
        }
    }
    let env = env.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
    Ok(Place::Program { command: command.to_owned(), args: args.to_vec(), env })
}

fn address(url: Option<&str>) -> Result<Url, Bad> {
    let url = url.ok_or_else(|| bad("url", "is missing"))?;
    // The reason does not repeat the address: it may hold a key.
    let url = Url::parse(url).map_err(|error| bad("url", format!("is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("url", "must begin with http:// or https:// and name a host"));
    }
    Ok(url)
}

fn header_map(headers: &[NamedValue]) -> Result<HeaderMap, Bad> {
    let mut map = HeaderMap::new();
    for (at, NamedValue { name, value }) in headers.iter().enumerate() {
        let parsed = HeaderName::try_from(name).ok().filter(|name| !OWN_HEADERS.contains(&name.as_str()));
        let name = parsed.ok_or((format!("headers[{at}].name"), "is no header that may be set".to_owned()))?;
        let value = HeaderValue::try_from(value);
        let mut value = value.map_err(|_| (format!("headers[{at}].value"), "is no header's value".to_owned()))?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}
