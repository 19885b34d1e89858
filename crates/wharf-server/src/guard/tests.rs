//! Hosts, origins and sites that are answered, and those that are not.

use http::header::HeaderName;

use super::*;

fn check(headers: &[(&str, &str)]) -> Result<From, String> {
    check_uri("/x", headers)
}

fn check_uri(uri: &str, headers: &[(&str, &str)]) -> Result<From, String> {
    let guard = Guard::new(
        "127.0.0.1:4096".parse().unwrap(),
        &["wharf.example".into(), "box:443".into()],
        &["https://app.example".into(), "http://localhost:*".into()],
    );
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    guard.check(&uri.parse().unwrap(), &headers).map_err(|error| error.error)
}

#[test]
fn only_our_own_names_are_answered() {
    for host in [
        "127.0.0.1:4096",
        "localhost:4096",
        "LOCALHOST:4096",
        "[::1]:4096",
        "wharf.example:4096",
        "wharf.example",
        "box:443",
    ] {
        assert_eq!(check(&[("host", host)]), Ok(From::Own), "{host}");
    }
    for host in [
        "",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:80",
        "evil.example:4096",
        "127.0.0.1.evil.example:4096",
        "localhost:4096.",
        "0.0.0.0:4096",
        "box:4097",
    ] {
        assert!(check(&[("host", host)]).is_err(), "{host}");
    }
    assert!(check(&[]).is_err());
    assert!(check(&[("host", "localhost:4096"), ("host", "localhost:4096")]).is_err());
    assert!(check_uri("http://evil.example/x", &[("host", "localhost:4096")]).is_err());
}

#[test]
fn an_origin_that_is_present_must_be_listed() {
    let with = |origin: &str| check(&[("host", "localhost:4096"), ("origin", origin)]);
    assert_eq!(with("http://localhost:4096"), Ok(From::Own));
    for origin in ["https://app.example", "http://localhost:5173", "http://localhost"] {
        assert!(matches!(with(origin), Ok(From::Listed(_))), "{origin}");
    }
    for origin in [
        "null",
        "",
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil",
        "http://localhost:5173.evil",
        "http://localhost.evil",
        "http://127.0.0.1:4096",
    ] {
        assert!(with(origin).is_err(), "{origin}");
    }
}

#[test]
fn a_page_without_origin_is_known_by_its_site() {
    let with = |site: &str| check(&[("host", "localhost:4096"), ("sec-fetch-site", site)]);
    assert_eq!(with("same-origin"), Ok(From::Own));
    assert_eq!(with("none"), Ok(From::Own));
    assert!(with("cross-site").is_err());
    assert!(with("same-site").is_err());
}
