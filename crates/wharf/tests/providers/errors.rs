//! Three profiles in one installation, and everything that can be wrong with one of them: what is said names the provider, the setting, and
//! what to do.

use std::net::TcpListener as StdListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wharf_testkit::{Reply, ScriptedModel};

use crate::{Installation, Ran};

/// A server that answers everything with one answer.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 16 << 10];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address.to_string()
}

/// An address where nothing listens.
fn nowhere() -> String {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn says(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is missing: {}", ran.err);
    }
    assert!(!ran.err.contains("sk-") && !ran.out.contains("sk-"), "a key was shown: {ran:?}");
}

#[tokio::test]
async fn each_error_says_which_provider_which_setting_and_what_to_do() {
    let model = ScriptedModel::start().await;
    let dead = nowhere();
    let refusing =
        answering("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let closed = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let installation = Installation::new(&format!(
        "[providers.work]\npreset = \"anthropic\"\nbase_url = \"{url}\"\napi_key_file = \"~/work.key\"\nattempts = 1\n\
         [providers.lab]\nbase_url = \"http://{dead}/v1\"\nattempts = 1\n\
         [providers.home]\nbase_url = \"{url}\"\napi_key_env = \"HOME_KEY\"\nproxy = \"none\"\nattempts = 1\n\
         [providers.fenced]\nbase_url = \"http://models.test/v1\"\nproxy = \"http://user:sk-pass@{refusing}\"\nattempts = 1\n\
         [providers.walled]\nbase_url = \"https://models.test/v1\"\nproxy = \"http://{closed}\"\nattempts = 1\n\
         [providers.lost]\nbase_url = \"http://models.test/v1\"\nproxy = \"http://{dead}\"\nattempts = 1\n",
        url = model.url()
    ));
    let key = installation.home().join("work.key");
    crate::keys::write_key(&key, "sk-wrong\n");

    // A wrong key.
    let refusal = r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
    model.push(Reply::http_error(401, "").with_body(serde_json::from_str(refusal).unwrap()));
    let ran = installation.ask("work/claude-opus-4-8", &[]).await;
    says(
        &ran,
        &[
            "work refuses the key of providers.work.api_key_file",
            "work.key",
            "invalid x-api-key",
            "platform.claude.com/settings/keys",
        ],
    );

    // A dead endpoint.
    let ran = installation.ask("lab/some", &[]).await;
    says(&ran, &["lab cannot be reached", &dead, "refused", "change providers.lab.base_url"]);

    // A model that does not exist, as several providers say it.
    let command = |model: &str| {
        let mut command =
            installation.command(&["ask", "--mode", "embedded", "--unattended", "--model", model, "Say hello."]);
        command.env("HOME_KEY", "sk-home");
        command
    };
    for (status, body) in [
        (
            404,
            r#"{"error":{"code":"model_not_found","message":"The model `none` does not exist or you do not have access to it."}}"#,
        ),
        (400, r#"{"code":"1500","message":"Invalid model: none","object":"error","type":"invalid_model"}"#),
        (400, r#"{"error":{"code":400,"message":"none is not a valid model ID"}}"#),
    ] {
        model.push(Reply::http_error(status, "").with_body(serde_json::from_str(body).unwrap()));
        let ran = crate::finish(command("home/none")).await;
        says(&ran, &["home has no model \"none\"", "`wharf models`", "home/NAME"]);
    }

    // A proxy that refuses, with and without TLS, and one that is not there.
    let ran = installation.ask("fenced/some", &[]).await;
    says(&ran, &["fenced: the proxy", &refusing, "(providers.fenced.proxy)", "a user and a password"]);
    let ran = installation.ask("walled/some", &[]).await;
    says(&ran, &["walled: the proxy", &closed, "(providers.walled.proxy)", "does not let the connection through"]);
    let ran = installation.ask("lost/some", &[]).await;
    says(&ran, &["lost cannot be reached", "through the proxy", &dead, "(providers.lost.proxy)"]);

    // The environment's proxy, named by its variable.
    let mut command = command("walled/some");
    installation.configure("[providers.walled]\nbase_url = \"https://models.test/v1\"\nattempts = 1\n");
    command.env("HTTPS_PROXY", format!("http://{closed}"));
    says(&crate::finish(command).await, &["walled: the proxy", "(HTTPS_PROXY)"]);
}

#[tokio::test]
async fn a_server_that_is_none_is_told_from_a_missing_model() {
    let page = answering(
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: 44\r\n\r\n\
         <html><title>404 Not Found</title></html>\r\n\r\n",
    )
    .await;
    let installation =
        Installation::new(&format!("[providers.site]\nbase_url = \"http://{page}/api\"\nattempts = 1\n"));
    let ran = installation.ask("site/some", &[]).await;
    says(&ran, &["nothing that speaks the protocol \"openai\"", "providers.site.base_url", "providers.site.protocol"]);
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_is_told_by_its_key() {
    for (config, words) in [
        ("[providers.x]\n", "providers.x.base_url: is needed"),
        (
            "[providers.x]\npreset = \"opneai\"\n",
            "providers.x.preset: \"opneai\" is not known: there are openai, anthropic",
        ),
        ("[providers.x]\nbase_url = \"ftp://x\"\n", "providers.x.base_url: a base URL begins with http"),
        ("[providers.demo]\nbase_url = \"http://x\"\n", "providers.demo: this is the name of the built-in model"),
        ("[providers.\"a/b\"]\nbase_url = \"http://x\"\n", "a name is of letters"),
        ("[providers.openai]\napi_key_env = \"A\"\napi_key_file = \"/b\"\n", "exclude each other"),
        ("[providers.openai]\napi_key_file = \"b\"\n", "providers.openai.api_key_file: has to be absolute"),
        ("[providers.openai]\napi_key_command = [\"./b\"]\n", "providers.openai.api_key_command: a program is"),
        ("[providers.openai]\napi_key_command = \"echo x\"\n", "sequence"),
        ("[providers.openai]\nproxy = \"socks\"\n", "providers.openai.proxy: is not the address of a proxy"),
        ("[providers.openai]\nheaders = { \"a b\" = \"c\" }\n", "providers.openai.headers"),
        ("[providers.openai]\nattempts = 0\n", "providers.openai.attempts: at least 1"),
        ("[providers.openai]\nbase_ulr = \"x\"\n", "base_ulr"),
    ] {
        let ran = Installation::new(config).run(&["models"]).await;
        assert!(ran.code == Some(2) && ran.err.contains(words), "{config}: {ran:?}");
    }
}
