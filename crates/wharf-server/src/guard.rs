//! Which requests are meant for us at all: the Host that we are, the Origins that may call. Runs before everything else.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};
use wharf_protocol::{ApiError, ErrorCode};

/// The names that we answer to, and the pages that may call us.
#[derive(Debug)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    origins: Vec<OriginRule>,
}

#[derive(Debug)]
enum OriginRule {
    Exact(String),
    /// `scheme://host` followed by any port.
    AnyPort(String),
}

/// What the guard found out about a request that it lets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// No page, or one of our own.
    Own,
    /// A page of a listed origin.
    Listed(HeaderValue),
}

impl Guard {
    pub(crate) fn new(address: SocketAddr, allowed_hosts: &[String], allowed_origins: &[String]) -> Self {
        let port = address.port();
        let mut hosts = Vec::new();
        let mut add = |name: &str| {
            let name = name.to_ascii_lowercase();
            if port == 80 {
                hosts.push(name.clone());
            }
            hosts.push(format!("{name}:{port}"));
        };
        for name in ["127.0.0.1", "localhost", "[::1]"] {
            add(name);
        }
        match address.ip() {
            ip if ip.is_unspecified() => {}
            IpAddr::V4(ip) => add(&ip.to_string()),
            IpAddr::V6(ip) => add(&format!("[{ip}]")),
        }
        for host in allowed_hosts {
            add(host);
        }
        hosts.extend(allowed_hosts.iter().map(|host| host.to_ascii_lowercase()));
        let origins = allowed_origins
            .iter()
            .map(|origin| match origin.strip_suffix(":*") {
                Some(base) => OriginRule::AnyPort(base.to_ascii_lowercase()),
                None => OriginRule::Exact(origin.to_ascii_lowercase()),
            })
            .collect();
        Self { hosts, origins }
    }

    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<From, ApiError> {
        let host = only(headers, &HOST).ok_or_else(|| forbidden("one Host header is needed"))?;
        let host = host.to_str().unwrap_or_default().to_ascii_lowercase();
        let target = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
        if !self.hosts.contains(&host) || target.is_some_and(|target| !self.hosts.contains(&target)) {
            return Err(forbidden("this server does not answer to that Host"));
        }
        if headers.contains_key(ORIGIN) {
            let origin = only(headers, &ORIGIN).ok_or_else(|| forbidden("more than one Origin"))?;
            let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            if text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) == Some(host.as_str()) {
                return Ok(From::Own);
            }
            if self.origins.iter().any(|rule| rule.matches(&text)) {
                return Ok(From::Listed(origin.clone()));
            }
            return Err(forbidden("pages of that Origin may not call this server"));
        }
        // A page that sends no Origin (an image, a form's GET) still tells where it is from.
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            None | Some(b"none" | b"same-origin") => Ok(From::Own),
            Some(_) => Err(forbidden("pages of other sites may not call this server")),
        }
    }
}

impl OriginRule {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(listed) => listed == origin,
            Self::AnyPort(base) => origin.strip_prefix(base.as_str()).is_some_and(|rest| {
                rest.is_empty()
                    || rest.strip_prefix(':').is_some_and(|port| {
                        !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
                    })
            }),
        }
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn forbidden(reason: &str) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, reason)
}

#[cfg(test)]
mod tests;
