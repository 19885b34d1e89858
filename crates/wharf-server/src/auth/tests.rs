use http::HeaderValue;

use super::*;

fn gate() -> Gate {
    let keys = vec![
        Key::from_secret("laptop", "one", Scopes::ALL),
        Key::from_secret("phone", "two", [Scope::SessionsRead].into_iter().collect()),
    ];
    Gate::new(&Auth::Keys(keys), &Limits::default())
}

fn admit(name: &'static str, value: &str) -> Result<String, ErrorCode> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    match gate().admit(&headers) {
        Ok(principal) => Ok(principal.caller.name.to_string()),
        Err(error) => Err(error.code),
    }
}

#[test]
fn a_key_is_known_by_its_secret() {
    assert_eq!(admit("authorization", "Bearer one"), Ok("laptop".into()));
    assert_eq!(admit("authorization", "bearer two"), Ok("phone".into()));
    assert_eq!(admit("x-api-key", "two"), Ok("phone".into()));
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

#[test]
fn scopes_are_read_from_their_names() {
    let set: Scopes = "sessions:read, tools:execute".parse().unwrap();
    let has: Vec<bool> = Scope::ALL.into_iter().map(|scope| set.contains(scope)).collect();
    assert_eq!(has, [true, false, false, true, false]);
    assert_eq!("*".parse(), Ok(Scopes::ALL));
    assert_eq!("sessions".parse::<Scopes>(), Err(UnknownScope("sessions".into())));
}

#[test]
fn a_missing_scope_is_named() {
    let principal = gate().admit(&HeaderMap::from_iter([(
        http::header::HeaderName::from_static("x-api-key"),
        HeaderValue::from_static("two"),
    )]));
    let error = principal.unwrap().require(Scope::SessionsWrite).unwrap_err();
    assert_eq!(error.error, "the key lacks the scope sessions:write");
}
