//! Proxies: one that was set for a provider, or those that the usual environment variables name.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::{ClientBuilder, NoProxy, Proxy, Url};

use super::place;

/// Never through a proxy that the environment names: a local server is not reachable from there.
const LOCAL: &str = "localhost,127.0.0.0/8,::1";

/// What was set for one provider.
#[derive(Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// Directly, whatever the environment says.
    None,
    /// Everything goes through it: it was set on purpose.
    Url(String),
}

impl fmt::Debug for ProxyChoice {
    /// An address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::None { "None" } else { "Url" })
    }
}

impl ProxyChoice {
    /// `none`, or an address.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text.trim() {
            "none" => Self::None,
            url => Self::Url(url.to_owned()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let Self::Url(url) = self else { return Ok(()) };
        let is_proxy = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let told = "is not the address of a proxy: `http://HOST:PORT`, or `none`";
        if is_proxy && Proxy::all(url).is_ok() { Ok(()) } else { Err(told.to_owned()) }
    }
}

/// The proxy that requests of one kind go through.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Via {
    address: String,
    /// Hosts that are reached without it.
    exceptions: String,
    /// What named it, for the user: a variable, or a key of the configuration.
    pub(crate) setting: String,
}

impl Via {
    /// The proxy for `https` or `http`, if there is one.
    pub(super) fn find(
        choice: Option<&ProxyChoice>,
        setting: &str,
        environment: &BTreeMap<String, String>,
        tls: bool,
    ) -> Option<Self> {
        match choice {
            Some(ProxyChoice::None) => return None,
            Some(ProxyChoice::Url(url)) => {
                let (address, setting) = (url.clone(), setting.to_owned());
                return Some(Self { address, exceptions: String::new(), setting });
            }
            None => {}
        }
        let names: &[&str] = if tls {
            &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            &["http_proxy", "ALL_PROXY", "all_proxy"]
        };
        let value = |name: &&str| environment.get(*name).filter(|value| !value.is_empty());
        let setting = names.iter().find(|name| value(name).is_some())?;
        let exceptions = match ["NO_PROXY", "no_proxy"].iter().find_map(value) {
            Some(more) => format!("{LOCAL},{more}"),
            None => LOCAL.to_owned(),
        };
        Some(Self { address: value(setting)?.clone(), exceptions, setting: (*setting).to_owned() })
    }

    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, String> {
        // The address may hold a password: the message leaves it out.
        let proxy = Proxy::all(&self.address).map_err(|_| format!("{} is not the address of a proxy", self.setting))?;
        Ok(builder.proxy(proxy.no_proxy(NoProxy::from_string(&self.exceptions))))
    }

    /// Host and port.
    pub(crate) fn place(&self) -> String {
        let address = &self.address;
        let url = if address.contains("://") { Url::parse(address) } else { Url::parse(&format!("http://{address}")) };
        url.map_or_else(|_| "?".to_owned(), |url| place(&url))
    }

    /// Whether the request goes through it, for what users are told: single names and suffixes are looked at, networks but the local one are not.
    pub(crate) fn takes(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_exempt = |entry: &str| {
            let entry = entry.trim().trim_start_matches('.');
            let is_below = || host.strip_suffix(entry).is_some_and(|before| before.ends_with('.'));
            match entry {
                "" => false,
                "*" => true,
                "127.0.0.0/8" => host.starts_with("127."),
                entry => host == entry || is_below(),
            }
        };
        !self.exceptions.split(',').any(is_exempt)
    }
}
