//! The environment of commands: an allow-list out of the server's own, never a provider key.

use std::collections::BTreeMap;

const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TMPDIR",
    "TZ",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "JAVA_HOME",
    "NVM_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "DENO_DIR",
    "BUN_INSTALL",
    "PNPM_HOME",
    "VOLTA_HOME",
    "GEM_HOME",
    "RBENV_ROOT",
    "DOTNET_ROOT",
    "ANDROID_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
];

/// What makes programs wait for a person or draw on a terminal that is not there.
const FIXED: &[(&str, &str)] =
    &[("TERM", "dumb"), ("PAGER", "cat"), ("GIT_PAGER", "cat"), ("GIT_TERMINAL_PROMPT", "0")];

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What commands see of `environment`; `also` names further variables that the owner lets through.
pub(crate) fn allowed(environment: &BTreeMap<String, String>, also: &[String]) -> Vec<(String, String)> {
    let passes = |name: &str| NAMES.contains(&name) || name.starts_with("LC_") || also.iter().any(|it| it == name);
    let mut allowed: BTreeMap<&str, &str> = environment
        .iter()
        .filter(|(name, value)| passes(name) && !value.contains('\0'))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    allowed.entry("PATH").or_insert(DEFAULT_PATH);
    allowed.extend(FIXED.iter().copied());
    allowed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What a command needs where the rest of its environment is not ours.
pub(crate) fn quiet() -> Vec<(String, String)> {
    FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_reach_commands() {
        let environment: BTreeMap<String, String> = [
            ("PATH", "/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("OPENAI_API_KEY", "sk-1"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
            ("BASH_ENV", "/tmp/evil"),
            ("LD_PRELOAD", "/tmp/evil.so"),
            ("TERM", "xterm"),
            ("MY_TOOL", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let names: Vec<String> = allowed(&environment, &["MY_TOOL".into()])
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            names,
            [
                "GIT_PAGER=cat",
                "GIT_TERMINAL_PROMPT=0",
                "LC_ALL=C.UTF-8",
                "MY_TOOL=1",
                "PAGER=cat",
                "PATH=/bin",
                "TERM=dumb"
            ]
        );
    }

    #[test]
    fn a_path_is_always_there() {
        let allowed = allowed(&BTreeMap::new(), &[]);
        assert!(allowed.contains(&("PATH".into(), DEFAULT_PATH.into())));
    }
}
