//! A provider behind TLS whose authority only the user knows.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use wharf_testkit::{Reply, ScriptedModel};

use crate::Installation;

/// An authority, in PEM, and a listener for `localhost` with a certificate of it; what comes in goes on to `target`.
async fn behind_tls(target: String) -> (String, u16) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    wharf_tls::choose_provider();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate leaves in the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut onward = TcpStream::connect(target).await.unwrap();
                copy_bidirectional(&mut stream, &mut onward).await.ok();
            });
        }
    });
    (authority.pem(), port)
}

#[tokio::test]
async fn an_authority_of_the_users_own_is_trusted_where_its_file_says_so() {
    let model = ScriptedModel::start().await;
    let url = model.url();
    let target = url.trim_start_matches("http://").split('/').next().unwrap();
    let (authority, port) = behind_tls(target.to_owned()).await;
    let profile = format!("[providers.inside]\nbase_url = \"https://localhost:{port}/v1\"\nattempts = 1\n");
    let installation = Installation::new(&profile);

    let ran = installation.ask("inside/some", &[]).await;
    assert_ne!(ran.code, Some(0), "{ran:?}");
    for said in ["inside", "certificate", "providers.inside.ca_file"] {
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }

    let file = installation.home().join("authority.pem");
    fs::write(&file, authority).unwrap();
    installation.configure(&format!("{profile}ca_file = \"~/authority.pem\"\n"));
    model.push(Reply::text("from behind TLS"));
    let ran = installation.ask("inside/some", &[]).await;
    assert!(ran.out.contains("from behind TLS"), "{ran:?}");

    fs::write(&file, "no certificate").unwrap();
    let ran = installation.ask("inside/some", &[]).await;
    assert!(ran.err.contains("providers.inside.ca_file"), "{ran:?}");
    fs::remove_file(&file).unwrap();
    let ran = installation.ask("inside/some", &[]).await;
    assert!(ran.err.contains("providers.inside.ca_file") && ran.err.contains("authority.pem"), "{ran:?}");
}
