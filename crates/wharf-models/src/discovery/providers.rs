//! The providers that are known by name.

use wharf_protocol::model::Protocol;

/// A provider on the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hosted {
    pub name: &'static str,
    pub key_variable: &'static str,
    pub base_url: &'static str,
    pub protocol: Protocol,
    /// Where only the provider is named.
    pub default_model: &'static str,
}

impl Hosted {
    pub(super) fn default_id(&self) -> String {
        format!("{}/{}", self.name, self.default_model)
    }
}

/// In the order in which one of them becomes the default.
pub(super) const HOSTED: &[Hosted] = &[
    Hosted {
        name: "openai",
        key_variable: "OPENAI_API_KEY",
        base_url: "https://api.openai.com/v1",
        // Its newer models reason and call tools there alone.
        protocol: Protocol::Responses,
        default_model: "gpt-5",
    },
    Hosted {
        name: "anthropic",
        key_variable: "ANTHROPIC_API_KEY",
        base_url: "https://api.anthropic.com",
        protocol: Protocol::Anthropic,
        default_model: "claude-sonnet-5-5",
    },
    Hosted {
        name: "openrouter",
        key_variable: "OPENROUTER_API_KEY",
        base_url: "https://openrouter.ai/api/v1",
        protocol: Protocol::Openai,
        default_model: "openrouter/auto",
    },
    Hosted {
        name: "deepseek",
        key_variable: "DEEPSEEK_API_KEY",
        base_url: "https://api.deepseek.com/v1",
        protocol: Protocol::Openai,
        default_model: "deepseek-v4-flash",
    },
    Hosted {
        name: "groq",
        key_variable: "GROQ_API_KEY",
        base_url: "https://api.groq.com/openai/v1",
        protocol: Protocol::Openai,
        default_model: "llama-3.3-70b-versatile",
    },
    Hosted {
        name: "mistral",
        key_variable: "MISTRAL_API_KEY",
        base_url: "https://api.mistral.ai/v1",
        protocol: Protocol::Openai,
        default_model: "mistral-small-latest",
    },
    Hosted {
        name: "xai",
        key_variable: "XAI_API_KEY",
        base_url: "https://api.x.ai/v1",
        protocol: Protocol::Openai,
        default_model: "grok-4-1-fast-non-reasoning",
    },
    Hosted {
        name: "gemini",
        key_variable: "GEMINI_API_KEY",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        protocol: Protocol::Gemini,
        default_model: "gemini-3.8-flash",
    },
];

/// Local servers at their usual places.
pub(super) const LOCAL: &[(&str, &str)] = &[
    ("ollama", "http://127.0.0.1:11434/v1"),
    ("lmstudio", "http://127.0.0.1:1234/v1"),
    ("llamacpp", "http://127.0.0.1:8080/v1"),
];
