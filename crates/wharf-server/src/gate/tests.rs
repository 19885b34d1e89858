//! Who is let in, and to what.

use super::*;

#[test]
fn a_missing_scope_is_named() {
    let caller = Caller::new("phone", [Scope::SessionsRead].into_iter().collect());
    assert_eq!(judge(&caller, Scope::SessionsRead), Ok(()));
    let error = judge(&caller, Scope::SessionsWrite).unwrap_err();
    assert_eq!((error.code, &*error.error), (ErrorCode::Forbidden, "the key lacks the scope sessions:write"));
}
