//! Proxies, as the usual environment variables name them.

use std::collections::BTreeMap;

use reqwest::{ClientBuilder, NoProxy, Proxy};

/// Never through a proxy: a local server is not reachable from there.
const LOCAL: &str = "localhost,127.0.0.0/8,::1";

/// Adds the proxy for `https` or `http` that `environment` names, if it names one.
pub(super) fn apply(
    builder: ClientBuilder,
    environment: &BTreeMap<String, String>,
    tls: bool,
) -> Result<ClientBuilder, String> {
    let names: &[&str] = if tls {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["http_proxy", "ALL_PROXY", "all_proxy"]
    };
    let value = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| environment.get(*name));
        values.find(|value| !value.is_empty()).cloned()
    };
    let Some(address) = value(names) else {
        return Ok(builder);
    };
    let exceptions = match value(&["NO_PROXY", "no_proxy"]) {
        Some(more) => format!("{LOCAL},{more}"),
        None => LOCAL.to_owned(),
    };
    // The address may hold a password: the message leaves it out.
    let proxy = Proxy::all(address).map_err(|_| format!("{} is not the address of a proxy", names.join(" or ")))?;
    Ok(builder.proxy(proxy.no_proxy(NoProxy::from_string(&exceptions))))
}
