//! Work that fails.

use super::*;

#[tokio::test]
async fn what_a_panic_says_is_nobodys_result() {
    let told = change::<()>(|| panic!("the secret of a file")).await.unwrap_err().to_string();
    assert!(told.contains("the tool crashed") && !told.contains("secret"), "{told}");
    let cancel = CancellationToken::new();
    let told = look::<()>(&cancel, || panic!("the secret of a file")).await.unwrap_err().to_string();
    assert!(told.contains("the tool crashed") && !told.contains("secret"), "{told}");
}
