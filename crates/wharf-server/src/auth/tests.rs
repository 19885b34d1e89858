//! Keys in headers.

use http::{HeaderName, HeaderValue};

use super::*;

fn admit(name: &'static str, value: &str) -> Result<&'static str, ErrorCode> {
    let keys = [("laptop", "one"), ("phone", "two")];
    let keys = Keys::new(keys.map(|(name, secret)| (Key::from_secret(name, secret, Scopes::ALL).hash, name)));
    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())]);
    keys.find(&headers).copied().map_err(|error| error.code)
}

#[test]
fn a_key_is_known_by_its_secret() {
    assert_eq!(admit("authorization", "Bearer one"), Ok("laptop"));
    assert_eq!(admit("authorization", "bearer two"), Ok("phone"));
    assert_eq!(admit("x-api-key", "two"), Ok("phone"));
    for (name, value) in [
        ("authorization", "Bearer three"),
        ("authorization", "Bearer "),
        ("authorization", "Basic one"),
        ("authorization", "one"),
        ("x-api-key", "onetwo"),
        ("cookie", "one"),
    ] {
        assert_eq!(admit(name, value), Err(ErrorCode::Unauthorized), "{name}: {value}");
    }
}
