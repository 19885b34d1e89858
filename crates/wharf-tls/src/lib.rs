//! The cryptography below TLS: one provider for the process, chosen here. Whoever builds a client or a listener that speaks TLS calls
//! [`choose_provider`] before.
//!
//! It is *ring*: `aws-lc-rs` was the longest single wait of a first build ([decision 22](../../../docs/decisions/0022-two-profiles-and-ring.md)).

/// Makes *ring* the process's provider, unless somebody who embeds this has chosen one. Cheap, any number of times.
pub fn choose_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost to another thread that did the same.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

#[cfg(test)]
mod tests {
    //! What is chosen stays, and is what a configuration takes.

    #[test]
    fn a_configuration_finds_the_provider_however_often_it_was_chosen() {
        super::choose_provider();
        super::choose_provider();
        let roots = rustls::RootCertStore::empty();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        assert!(!config.crypto_provider().cipher_suites.is_empty());
    }
}
