//! `wharf models` with providers that answer, that do not, and that nobody asked.

use std::net::TcpListener;

use serde_json::Value;
use wharf_testkit::ScriptedModel;

use crate::Installation;

#[tokio::test]
async fn what_each_provider_offers_and_what_was_not_reached() {
    let model = ScriptedModel::start().await;
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let installation = Installation::new(&format!(
        "[providers.lab]\nbase_url = {url:?}\n\
         [providers.lab.models.scripted]\ncontext_tokens = 65536\nimages = true\nprice = {{ input = 0.5, output = 2.25 }}\n\
         [providers.lab.models.unlisted]\noutput_tokens = 1000\n\
         [providers.away]\nbase_url = \"http://{dead}/v1\"\nmodel = \"some\"\n\
         [providers.closed]\npreset = \"anthropic\"\napi_key_env = \"NO_KEY\"\n",
        url = model.url()
    ));
    let ran = installation.run(&["models", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    let provider = |name: &str| {
        let providers = list["providers"].as_array().unwrap();
        providers.iter().find(|provider| provider["name"] == name).unwrap_or_else(|| panic!("{name}: {list:#}"))
    };
    let lab = provider("lab");
    assert!(lab["listed_at"].is_string() && lab["available"] == true, "{lab:#}");
    let scripted = &lab["models"][0];
    assert_eq!((&scripted["id"], &scripted["context_tokens"]), (&"lab/scripted".into(), &65_536.into()), "{lab:#}");
    assert_eq!((&scripted["images"], &scripted["origin"]), (&true.into(), &"listed".into()), "{lab:#}");
    assert_eq!(scripted["price"]["input"], 500_000, "{lab:#}");
    assert_eq!(
        (&lab["models"][1]["id"], &lab["models"][1]["origin"]),
        (&"lab/unlisted".into(), &"configuration".into())
    );
    let away = provider("away");
    let reason = away["reason"].as_str().unwrap();
    assert!(reason.contains("could not be read") && reason.contains(&dead.to_string()), "{away:#}");
    assert!(away["listed_at"].is_null() && away["models"][0]["id"] == "away/some", "{away:#}");
    let closed = provider("closed");
    assert!(closed["available"] == false && closed["reason"].as_str().unwrap().contains("NO_KEY"), "{closed:#}");
    assert_eq!(list["catalogue_as_of"].as_str().map(str::len), Some(7), "{list:#}");

    let ran = installation.run(&["models", "lab"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in ["lab/scripted", "65k tokens", "$0.50 in, $2.25 out", "images", "listed just now"] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert!(!ran.out.contains("✓ away") && !ran.out.contains("· closed"), "{}", ran.out);
    let ran = installation.run(&["models", "nobody"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("lab"), "{ran:?}");
}
