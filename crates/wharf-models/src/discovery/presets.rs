//! The providers that are known by name: where they are, what they speak, and what to do when they refuse a key.

use wharf_protocol::model::Protocol;

/// What is known of a provider. A profile of that name, or one that names it as its `preset`, starts from here.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// First part of its models' ids.
    pub name: &'static str,
    /// As it calls itself.
    pub title: &'static str,
    /// Absent where every customer has an address of their own.
    pub base_url: Option<&'static str>,
    pub protocol: Protocol,
    /// The environment variable that usually holds the key; absent where servers usually want none.
    pub key_variable: Option<&'static str>,
    /// The header that the key goes in, where it is not the protocol's own.
    pub(crate) key_header: Option<&'static str>,
    /// With each request.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// Where the models are listed, if not below the base URL.
    pub(crate) list_url: Option<&'static str>,
    /// Its usage says what a call costs, in dollars.
    pub(crate) tells_cost: bool,
    /// Where only the provider is named; absent: the first model of its list.
    pub default_model: Option<&'static str>,
    /// What to do when it refuses the key: an instruction, without the full stop.
    pub refused_key: &'static str,
    pub place: Place,
}

/// Where a provider's server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the network; the variable of its key alone makes it the default of new sessions.
    Hosted,
    /// On the network, but its variable is one that people also set for something else, or does not suffice.
    HostedByName,
    /// On this machine, where it is looked for.
    Local,
}

const HOSTED: Preset = Preset {
    name: "",
    title: "",
    base_url: None,
    protocol: Protocol::Openai,
    key_variable: None,
    key_header: None,
    headers: &[],
    list_url: None,
    tells_cost: false,
    default_model: None,
    refused_key: "",
    place: Place::Hosted,
};

const LOCAL: Preset =
    Preset { refused_key: "the server was started with a key: give the same one here", place: Place::Local, ..HOSTED };

/// The hosted ones in the order in which one of them becomes the default, then those on this machine in theirs.
pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "openai",
        title: "OpenAI",
        base_url: Some("https://api.openai.com/v1"),
        // Its newer models reason and call tools there alone.
        protocol: Protocol::Responses,
        key_variable: Some("OPENAI_API_KEY"),
        default_model: Some("gpt-6.2-sol"),
        refused_key: "make a key at https://platform.openai.com/api-keys; a key of one project sees that project's models only",
        ..HOSTED
    },
    Preset {
        name: "anthropic",
        title: "Anthropic",
        base_url: Some("https://api.anthropic.com"),
        protocol: Protocol::Anthropic,
        key_variable: Some("ANTHROPIC_API_KEY"),
        default_model: Some("claude-sonnet-5-5"),
        refused_key: "make a key at https://platform.claude.com/settings/keys; a Claude subscription is none",
        ..HOSTED
    },
    Preset {
        name: "openrouter",
        title: "OpenRouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        key_variable: Some("OPENROUTER_API_KEY"),
        // How it names programs in its users' own activity list.
        headers: &[("x-title", "Wharf")],
        tells_cost: true,
        default_model: Some("openrouter/auto"),
        refused_key: "make a key at https://openrouter.ai/settings/keys; one that was disabled or has expired is refused like a wrong one",
        ..HOSTED
    },
    Preset {
        name: "deepseek",
        title: "DeepSeek",
        base_url: Some("https://api.deepseek.com/v1"),
        key_variable: Some("DEEPSEEK_API_KEY"),
        default_model: Some("deepseek-flash"),
        refused_key: "make a key at https://platform.deepseek.com/api_keys",
        ..HOSTED
    },
    Preset {
        name: "groq",
        title: "Groq",
        base_url: Some("https://api.groq.com/openai/v1"),
        key_variable: Some("GROQ_API_KEY"),
        default_model: Some("openai/gpt-oss-120b"),
        refused_key: "make a key at https://console.groq.com/keys",
        ..HOSTED
    },
    Preset {
        name: "mistral",
        title: "Mistral",
        base_url: Some("https://api.mistral.ai/v1"),
        key_variable: Some("MISTRAL_API_KEY"),
        default_model: Some("mistral-small-latest"),
        refused_key: "make a key at https://console.mistral.ai/api-keys; a new key takes a few minutes to work",
        ..HOSTED
    },
    Preset {
        name: "xai",
        title: "xAI",
        base_url: Some("https://api.x.ai/v1"),
        // Chat completions are its older interface.
        protocol: Protocol::Responses,
        key_variable: Some("XAI_API_KEY"),
        default_model: Some("grok-4.7"),
        refused_key: "make a key at https://console.x.ai; it needs the right to use the model",
        ..HOSTED
    },
    Preset {
        name: "gemini",
        title: "Google Gemini",
        base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
        protocol: Protocol::Gemini,
        key_variable: Some("GEMINI_API_KEY"),
        default_model: Some("gemini-3.8-flash"),
        refused_key: "make a key at https://aistudio.google.com/apikey; one of Google Cloud needs the Generative Language API switched on",
        ..HOSTED
    },
    Preset {
        name: "together",
        title: "Together AI",
        base_url: Some("https://api.together.xyz/v1"),
        key_variable: Some("TOGETHER_API_KEY"),
        refused_key: "make a key at https://api.together.ai/settings/api-keys",
        ..HOSTED
    },
    Preset {
        name: "fireworks",
        title: "Fireworks AI",
        base_url: Some("https://api.fireworks.ai/inference/v1"),
        key_variable: Some("FIREWORKS_API_KEY"),
        refused_key: "make a key at https://app.fireworks.ai/settings/users/api-keys",
        ..HOSTED
    },
    Preset {
        name: "azure",
        title: "Azure OpenAI",
        protocol: Protocol::Responses,
        key_variable: Some("AZURE_OPENAI_API_KEY"),
        key_header: Some("api-key"),
        refused_key: "copy a key of the same resource as the base URL's from the Azure portal (Keys and Endpoint)",
        // The key says nothing of the resource that it is for.
        place: Place::HostedByName,
        ..HOSTED
    },
    Preset {
        name: "github",
        title: "GitHub Models",
        base_url: Some("https://models.github.ai/inference"),
        // Many programs set it, and not for models.
        key_variable: Some("GITHUB_TOKEN"),
        headers: &[("x-github-api-version", "2022-11-28")],
        list_url: Some("https://models.github.ai/catalog/models"),
        refused_key: "make a token with the permission models:read at https://github.com/settings/tokens",
        place: Place::HostedByName,
        ..HOSTED
    },
    Preset { name: "ollama", title: "Ollama", base_url: Some("http://127.0.0.1:11434/v1"), ..LOCAL },
    Preset { name: "lmstudio", title: "LM Studio", base_url: Some("http://127.0.0.1:1234/v1"), ..LOCAL },
    Preset { name: "llamacpp", title: "llama.cpp", base_url: Some("http://127.0.0.1:8080/v1"), ..LOCAL },
    Preset { name: "vllm", title: "vLLM", base_url: Some("http://127.0.0.1:8000/v1"), ..LOCAL },
];

/// What is known of the provider of that name.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Every provider that is known by name.
#[must_use]
pub fn presets() -> &'static [Preset] {
    PRESETS
}

impl Preset {
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.place == Place::Local
    }

    /// The variable that says where its server is, in place of its own address.
    pub(super) fn url_variable(&self) -> String {
        format!("{}_BASE_URL", self.name.to_uppercase())
    }
}
