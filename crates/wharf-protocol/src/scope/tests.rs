//! Names of scopes, and sets of them.

use super::*;

#[test]
fn scopes_are_read_from_their_names() {
    let set: Scopes = "sessions:read, tools:execute".parse().unwrap();
    let has: Vec<bool> = Scope::ALL.into_iter().map(|scope| set.contains(scope)).collect();
    assert_eq!(has, [true, false, false, true, false]);
    assert_eq!("*".parse(), Ok(Scopes::ALL));
    assert_eq!("sessions".parse::<Scopes>(), Err(UnknownScope("sessions".into())));
}
