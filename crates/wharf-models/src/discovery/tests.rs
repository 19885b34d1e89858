//! Which models there are, with servers that answer on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use expect_test::expect;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use wharf_protocol::model::Protocol;

use super::config::parse_base_url;
use super::profile::Variable;
use super::*;
use crate::key::ApiKey;

/// A local server that lists `body`, and how often it was asked.
async fn serving(tasks: &mut JoinSet<()>, status: StatusCode, body: &'static str) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let list = get(move || async move {
        counter.fetch_add(1, Ordering::Relaxed);
        (status, body)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move { axum::serve(listener, Router::new().route("/v1/models", list)).await.unwrap() });
    (format!("http://{address}"), asked)
}

/// An address where nothing listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn server(name: &str, base_url: &str) -> LocalServer {
    LocalServer { name: name.to_owned(), base_url: base_url.to_owned() }
}

fn config(environment: &[(&str, &str)]) -> ModelsConfig {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    ModelsConfig {
        environment: environment.iter().map(pair).collect(),
        local_servers: Vec::new(),
        ..ModelsConfig::default()
    }
}

async fn id_of(models: &Models, id: Option<&str>) -> String {
    match models.resolve(id).await {
        Ok(model) => model.id().to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

const WAIT: Duration = Duration::from_secs(5);

const OLLAMA: &str =
    r#"{"object":"list","data":[{"id":"nomic-embed-text:latest"},{"id":"qwen3:latest"},{"id":"gpt-oss:20b"}]}"#;

#[tokio::test]
async fn without_anything_there_is_the_demo() {
    let gone = nowhere().await;
    let models = Models::discover(ModelsConfig { local_servers: vec![server("ollama", &gone)], ..config(&[]) });
    assert_eq!(id_of(&models, None).await, "demo/demo");
    assert_eq!(id_of(&models, Some("demo")).await, "demo/demo");
    let list = models.list(WAIT).await;
    let rows: Vec<String> = list
        .providers
        .iter()
        .map(|row| {
            format!("{} {} {}: {}", row.name, row.available, row.models.len(), row.reason.replace(&gone[7..], "HOST"))
        })
        .collect();
    expect![[r#"
        demo/demo: no key is set and no local model server was found
        openai false 0: OPENAI_API_KEY is not set
        anthropic false 0: ANTHROPIC_API_KEY is not set
        openrouter false 0: OPENROUTER_API_KEY is not set
        deepseek false 0: DEEPSEEK_API_KEY is not set
        groq false 0: GROQ_API_KEY is not set
        mistral false 0: MISTRAL_API_KEY is not set
        xai false 0: XAI_API_KEY is not set
        gemini false 0: GEMINI_API_KEY is not set
        together false 0: TOGETHER_API_KEY is not set
        fireworks false 0: FIREWORKS_API_KEY is not set
        azure false 0: providers.azure.base_url: every customer has an address of their own: set it, or the variable AZURE_BASE_URL
        github false 0: GITHUB_TOKEN is not set
        ollama false 0: nothing listens on HOST
        demo true 1: built in; not a language model
    "#]]
    .assert_eq(&format!("{}: {}\n{}\n", list.default, list.reason, rows.join("\n")));
}

#[tokio::test]
async fn keys_come_before_local_servers() {
    let mut tasks = JoinSet::new();
    let (ollama, _) = serving(&mut tasks, StatusCode::OK, OLLAMA).await;
    let local_servers = vec![server("ollama", &ollama)];
    let with_key = config(&[("GROQ_API_KEY", "gsk"), ("OPENAI_API_KEY", " ")]);
    let models = Models::discover(ModelsConfig { local_servers: local_servers.clone(), ..with_key });
    let default = models.default_model().await.unwrap();
    assert_eq!((default.id.as_str(), default.reason.as_str()), ("groq/openai/gpt-oss-120b", "GROQ_API_KEY is set"));
    assert_eq!(models.resolve(None).await.unwrap().context_tokens(), Some(131_072));
    assert_eq!(id_of(&models, Some("groq/any/name")).await, "groq/any/name");
    assert_eq!(id_of(&models, Some("openai/gpt-5")).await, "error: openai needs a key: set OPENAI_API_KEY");

    let models = Models::discover(ModelsConfig { local_servers, ..config(&[]) });
    assert_eq!(id_of(&models, None).await, "ollama/qwen3:latest");
    assert_eq!(models.default_model().await.unwrap().reason, "no key is set, and ollama runs on this machine");
}

#[tokio::test]
async fn local_servers_are_asked_once_in_a_while_and_believed() {
    let mut tasks = JoinSet::new();
    let (ollama, asked) = serving(&mut tasks, StatusCode::OK, OLLAMA).await;
    let (vllm, _) =
        serving(&mut tasks, StatusCode::OK, r#"{"data":[{"id":"/models/tiny","max_model_len":4096}]}"#).await;
    let (odd, _) = serving(&mut tasks, StatusCode::OK, "<html>").await;
    let (closed, _) = serving(&mut tasks, StatusCode::UNAUTHORIZED, "").await;
    let (empty, _) = serving(&mut tasks, StatusCode::OK, r#"{"object":"list","data":null}"#).await;
    let local_servers = vec![
        server("ollama", &ollama),
        server("vllm", &vllm),
        server("odd", &odd),
        server("closed", &closed),
        server("empty", &empty),
    ];
    let models = Models::discover(ModelsConfig { local_servers, ..config(&[]) });
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is asked before it is needed");
    let mut said = Vec::new();
    for id in [
        "ollama",
        "ollama/qwen3",
        "ollama/none",
        "qwen3",
        "gpt-oss:20b",
        "vllm//models/tiny",
        "odd",
        "closed/x",
        "empty",
        "nobody/x",
        "demo/x",
    ] {
        said.push(format!("{id} -> {}", id_of(&models, Some(id)).await));
    }
    let mut said = said.join("\n");
    for address in [&odd, &closed] {
        said = said.replace(&address[7..], "HOST");
    }
    expect![[r#"
        ollama -> ollama/qwen3:latest
        ollama/qwen3 -> ollama/qwen3:latest
        ollama/none -> error: ollama has no model "none"; it has: nomic-embed-text:latest, qwen3:latest, gpt-oss:20b
        qwen3 -> ollama/qwen3:latest
        gpt-oss:20b -> ollama/gpt-oss:20b
        vllm//models/tiny -> vllm//models/tiny
        odd -> error: odd cannot be used: HOST answers, but not as a model server does
        closed/x -> error: closed cannot be used: HOST answers, but lists no models (HTTP 401)
        empty -> error: empty cannot be used: it has no model
        nobody/x -> error: there is no model "nobody/x"; there are: ollama/nomic-embed-text:latest, ollama/qwen3:latest, ollama/gpt-oss:20b, vllm//models/tiny, demo/demo. Name one as provider/name, or set a base URL
        demo/x -> error: demo has no model "x"; it has: demo/demo"#]].assert_eq(&said);
    assert_eq!(models.resolve(Some("vllm")).await.unwrap().context_tokens(), Some(4096));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_was_set_comes_first() {
    let gone = nowhere().await;
    let set = |model: Option<&str>, base_url: Option<&str>| {
        Models::discover(ModelsConfig {
            model: model.map(str::to_owned),
            base_url: base_url.map(str::to_owned),
            key: Some(Arc::new(Variable { name: "KEY".to_owned(), value: Some(ApiKey::new("sk-hidden")) })),
            context_tokens: Some(77),
            ..config(&[("MISTRAL_API_KEY", "mistral-secret"), ("MISTRAL_BASE_URL", &gone)])
        })
    };
    let models = set(Some("openai/tiny"), Some(&gone));
    assert_eq!(id_of(&models, None).await, "openai/tiny");
    assert_eq!(id_of(&models, Some("openai/other")).await, "openai/other");
    assert_eq!(id_of(&models, Some("openai")).await, "openai/tiny");
    assert_eq!(id_of(&models, Some("mistral")).await, "mistral/mistral-small-latest");
    assert_eq!(models.resolve(None).await.unwrap().context_tokens(), Some(77));
    let list = models.list(WAIT).await;
    assert_eq!(list.providers.iter().filter(|row| row.name == "openai").count(), 1);
    assert_eq!(list.providers[0].base_url.as_deref(), Some(format!("{gone}/v1").as_str()));
    assert!(list.providers[0].models[0].is_default && list.providers[0].available);
    let shown = format!("{models:?} {list:?} {:?}", models.config);
    assert!(!shown.contains("sk-hidden") && !shown.contains("mistral-secret"), "{shown}");

    assert_eq!(id_of(&set(Some("tiny"), Some(&gone)), None).await, "custom/tiny");
    assert_eq!(id_of(&set(Some("xai"), None), None).await, "xai/grok-4.7");
    assert_eq!(id_of(&set(Some("demo"), None), None).await, "demo/demo");
    assert!(
        id_of(&set(Some("nonsense"), None), None)
            .await
            .starts_with("error: there is no model \"nonsense\"; there are: ")
    );
    assert_eq!(
        id_of(&set(None, Some("ftp://x")), None).await,
        "error: a base URL begins with http:// or https:// and names a host"
    );
    let unreachable = id_of(&set(None, Some(&gone)), None).await;
    assert!(unreachable.starts_with("error: custom cannot be used: could not connect to 127.0.0.1:"), "{unreachable}");

    let mut tasks = JoinSet::new();
    let (vllm, _) = serving(&mut tasks, StatusCode::OK, r#"{"data":[{"id":"tiny"}]}"#).await;
    assert_eq!(id_of(&set(None, Some(&vllm)), None).await, "custom/tiny");
}

#[tokio::test]
async fn model_objects_are_kept_but_not_all_of_them() {
    let models = Models::discover(config(&[("OPENAI_API_KEY", "x")]));
    let first = models.resolve(Some("openai/first")).await.unwrap();
    assert!(Arc::ptr_eq(&first, &models.resolve(Some("openai/first")).await.unwrap()));
    for number in 0..MAX_KEPT_MODELS {
        models.resolve(Some(&format!("openai/{number}"))).await.unwrap();
    }
    assert!(!Arc::ptr_eq(&first, &models.resolve(Some("openai/first")).await.unwrap()));
    assert_eq!(models.kept.lock().unwrap().len(), MAX_KEPT_MODELS);
}

#[test]
fn base_urls_as_people_write_them() {
    let read = |text: &str| parse_base_url(text, Protocol::Openai).map(|url| url.to_string());
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(read("http://h:1"), ok("http://h:1/v1"));
    assert_eq!(read("http://h:1/"), ok("http://h:1/v1"));
    assert_eq!(read("http://h:1/v1"), ok("http://h:1/v1"));
    assert_eq!(read(" http://h:1/v1/ "), ok("http://h:1/v1"));
    assert_eq!(read("http://h:1/v1/chat/completions"), ok("http://h:1/v1"));
    assert_eq!(read("https://h/openai/v1"), ok("https://h/openai/v1"));
    assert_eq!(read("127.0.0.1:11434"), ok("http://127.0.0.1:11434/v1"));
    assert!(read("http://").is_err() && read("file:///x").is_err());
}

#[test]
fn ollama_is_where_its_variable_says() {
    let at = |host: &str| {
        let config =
            ModelsConfig { local_servers: ModelsConfig::default().local_servers, ..config(&[("OLLAMA_HOST", host)]) };
        parse_base_url(&config.servers()[0].base_url, Protocol::Openai).unwrap().to_string()
    };
    assert_eq!(at(""), "http://127.0.0.1:11434/v1");
    assert_eq!(at("0.0.0.0"), "http://127.0.0.1:11434/v1");
    assert_eq!(at("box:8000"), "http://box:8000/v1");
    assert_eq!(at("http://box"), "http://box:11434/v1");
    assert_eq!(at("https://box/"), "https://box/v1");
}

#[tokio::test]
async fn gemini_lists_its_models_in_its_own_way() {
    let list = r#"{"models": [
        {"name": "models/embedding-1", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/gemini-3-flash", "inputTokenLimit": 1048576, "supportedGenerationMethods": ["generateContent"]}
    ]}"#;
    let mut tasks = JoinSet::new();
    let (url, _) = serving(&mut tasks, StatusCode::OK, list).await;
    let set = ModelsConfig { base_url: Some(format!("{url}/v1")), protocol: Some(Protocol::Gemini), ..config(&[]) };
    let model = Models::discover(set).resolve(None).await.unwrap();
    assert_eq!((model.id(), model.context_tokens()), ("custom/gemini-3-flash", Some(1_048_576)));
}

#[test]
fn openai_itself_is_asked_by_responses_and_a_stand_in_is_not() {
    let spoken = |variables: &[(&str, &str)], protocol: Option<Protocol>| {
        let set = ModelsConfig { model: Some("openai/gpt-5".to_owned()), protocol, ..config(variables) };
        Models::discover(set).account("openai").unwrap().protocol
    };
    let elsewhere = [("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")];
    assert_eq!(spoken(&[], None), Protocol::Responses);
    assert_eq!(spoken(&[("OPENAI_BASE_URL", "https://api.openai.com/v1")], None), Protocol::Responses);
    assert_eq!(spoken(&elsewhere, None), Protocol::Openai);
    assert_eq!(spoken(&elsewhere, Some(Protocol::Responses)), Protocol::Responses);
    assert_eq!(spoken(&[], Some(Protocol::Openai)), Protocol::Openai);
}

fn profile(base_url: &str, preset: Option<&str>) -> Profile {
    Profile { base_url: Some(base_url.to_owned()), preset: preset.map(str::to_owned), ..Profile::default() }
}

fn with(profiles: Vec<(&str, Profile)>, environment: &[(&str, &str)]) -> Models {
    let profiles = profiles.into_iter().map(|(name, profile)| (name.to_owned(), profile)).collect();
    Models::discover(ModelsConfig { profiles, ..config(environment) })
}

#[test]
fn a_provider_that_was_not_reached_is_shown_by_what_is_known_of_it() {
    let models = Models::discover(config(&[("ANTHROPIC_API_KEY", "x"), ("XAI_API_KEY", "x")]));
    let row = models.row(models.account("anthropic").unwrap(), None, "anthropic/claude-sonnet-5-5");
    let shown: Vec<String> = row
        .models
        .iter()
        .filter(|model| model.id.contains("sonnet-5-5") || model.id.contains("haiku-5-5"))
        .map(|model| {
            let price = model.price.map(|price| (price.input, price.above.map(|step| step.prompt_tokens)));
            format!("{} {} {:?} {price:?} {:?}", model.id, model.is_default, model.context_tokens, model.origin)
        })
        .collect();
    expect![[r#"
        anthropic/claude-sonnet-5-5 true Some(1000000) Some((2000000, None)) Some(Catalogue)
        anthropic/claude-haiku-5-5 false Some(1000000) Some((100000, Some(100000))) Some(Catalogue)"#]]
    .assert_eq(&shown.join("\n"));
    assert!(row.available && row.listed_at.is_none() && row.models.len() > 10);
    // What is asked of a model stays below the step from which on all of a request costs more.
    let window = |id: &str| ModelSource::context_tokens(&models, id);
    assert_eq!(window("anthropic/claude-sonnet-5-5"), Some(1_000_000));
    assert_eq!(window("anthropic/claude-haiku-5-5"), Some(100_000));
    assert_eq!(window("xai/grok-4.7"), Some(200_000));
    // Elsewhere the price is another; the model is the same.
    assert_eq!(window("openrouter/x-ai/grok-4.7"), Some(500_000));
    assert!(models.account("openrouter").unwrap().price("x-ai/grok-4.7").is_none());
}

#[tokio::test]
async fn a_routers_list_says_what_its_models_take_and_cost() {
    let list = r#"{"data": [
        {"id": "maker/large", "context_length": 1000000, "architecture": {"input_modalities": ["text", "image"]},
         "top_provider": {"context_length": 200000, "max_completion_tokens": 32000},
         "pricing": {"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.000000015"}},
        {"id": "maker/auto", "context_length": 2000000, "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "maker/odd", "context_length": "many", "pricing": {"prompt": 3}, "top_provider": null}
    ]}"#;
    let mut tasks = JoinSet::new();
    let (url, asked) = serving(&mut tasks, StatusCode::OK, list).await;
    let said = ModelSettings { context_tokens: Some(64_000), ..ModelSettings::default() };
    let profile = Profile {
        models: [("maker/odd".to_owned(), said)].into(),
        key: Some(Arc::new(Variable { name: "KEY".to_owned(), value: Some(ApiKey::new("x")) })),
        ..profile(&format!("{url}/v1"), Some("openrouter"))
    };
    let models = with(vec![("router", profile)], &[]);
    let row = models.list(WAIT).await.providers.remove(0);
    assert!(row.listed_at.is_some() && row.available, "{row:?}");
    let shown: Vec<String> = row
        .models
        .iter()
        .map(|model| {
            let price = model.price.map(|price| (price.input, price.output, price.cache_read, price.source));
            let ModelInfo { id, context_tokens, output_tokens, images, origin, .. } = model;
            format!("{id} {context_tokens:?} {output_tokens:?} {images:?} {price:?} {origin:?}")
        })
        .collect();
    expect![[r#"
        router/openrouter/auto None None None None Some(Configuration)
        router/maker/odd Some(64000) None None None Some(Listed)
        router/maker/large Some(200000) Some(32000) Some(true) Some((2500000, 10000000, Some(15000), Provider)) Some(Listed)
        router/maker/auto Some(2000000) None None None Some(Listed)"#]].assert_eq(&shown.join("\n"));
    models.list(WAIT).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "a list is kept for a while");
    assert_eq!(models.window("router/maker/large").await, Some(200_000));
    assert_eq!(models.window("router/maker/odd").await, Some(64_000));
}

#[tokio::test]
async fn a_window_is_the_users_word_then_the_servers_then_what_is_known() {
    let mut tasks = JoinSet::new();
    let (url, _) = serving(&mut tasks, StatusCode::OK, r#"{"data":[{"id":"gpt-5","max_model_len":9000}]}"#).await;
    let gone = nowhere().await;
    let stated = Profile { context_tokens: Some(5_000), ..profile(&url, None) };
    let profiles = vec![("plain", profile(&url, None)), ("stated", stated), ("gone", profile(&gone, None))];
    let all = ModelsConfig { context_tokens: Some(77), ..config(&[]) };
    let profiles = profiles.into_iter().map(|(name, profile)| (name.to_owned(), profile)).collect();
    let models = Models::discover(ModelsConfig { profiles, ..all });
    assert_eq!(models.window("plain/gpt-5").await, Some(9_000));
    assert_eq!(models.window("stated/gpt-5").await, Some(5_000));
    assert_eq!(models.window("gone/gpt-5").await, Some(272_000));
    assert_eq!(
        models.window("gone/unheard-of").await,
        None,
        "what is set for the implicit provider is no word on a profile"
    );
}
