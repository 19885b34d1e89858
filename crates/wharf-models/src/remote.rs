//! A model behind a provider's API: what the modules of all wires need to ask it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};
use wharf_protocol::{ToolSpec, UnseenImages};

use crate::http::{Endpoint, Transport, failure, place, read_at_most};
use crate::image::{self, Images, Limits};
use crate::key::ApiKey;
use crate::origin::Origin;
use crate::reply::decoder::Wire;
use crate::reply::stream::{Asked, ReplyStream};
use crate::{ModelRequest, ModelStream};

/// Most bytes of an error's body that are read.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// How long the rest of an error's body is waited for.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a model is made of, whichever wire it speaks.
pub(crate) struct Settings {
    /// First part of the id.
    pub provider: String,
    /// As the provider knows the model.
    pub name: String,
    pub base_url: Url,
    pub key: Option<ApiKey>,
    /// The header that the key goes in, where it is not the protocol's own.
    pub key_header: Option<&'static str>,
    /// With each request, beside those of the protocol.
    pub headers: HeaderMap,
    pub context_tokens: Option<u64>,
    /// Most that a reply may hold, where it is known.
    pub output_tokens: Option<u64>,
    /// Whether the model can be shown images, as far as anybody knows before it is asked.
    pub images: bool,
    /// Makes images fit, for all models.
    pub fitting: Arc<Images>,
    pub idle: Duration,
}

/// A request whose images fit.
pub(crate) struct FittedRequest {
    pub(crate) request: ModelRequest,
    /// How many images there are, and which of them are not in it.
    images: u64,
    unseen: UnseenImages,
}

/// One model at one endpoint.
pub(crate) struct Remote {
    pub(crate) origin: Arc<Origin>,
    /// As the provider knows it.
    pub(crate) name: String,
    pub(crate) context_tokens: Option<u64>,
    fitting: Arc<Images>,
    idle: Duration,
    key: Option<ApiKey>,
    endpoint: Endpoint,
    transport: Arc<Transport>,
}

impl Remote {
    /// `url`: where requests are posted; `headers`: with each of them, the key among them.
    pub(crate) fn new(
        settings: Settings,
        protocol: Protocol,
        url: Url,
        headers: HeaderMap,
        transport: Arc<Transport>,
    ) -> Self {
        let Settings { provider, name, key, context_tokens, fitting, idle, headers: further, .. } = settings;
        let mut headers = headers;
        // What the user sets wins, also over what a protocol wants.
        headers.extend(further);
        let origin = Origin { id: format!("{provider}/{name}"), protocol, endpoint: place(&url) };
        let endpoint = Endpoint::new(url, headers);
        Self { origin: Arc::new(origin), name, context_tokens, fitting, idle, key, endpoint, transport }
    }

    pub(crate) fn id(&self) -> &str {
        &self.origin.id
    }

    /// Sends a request; what the server refuses is an error.
    pub(crate) async fn ask(&self, body: Bytes) -> Result<Response, ModelError> {
        let sent = self.transport.post(&self.endpoint, body, self.idle).await;
        let response = sent.map_err(|error| failure::redacted(error, self.secret()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read_at_most(response, MAX_ERROR_BODY_BYTES, ERROR_BODY_TIMEOUT).await;
        Err(failure::from_response(status, &headers, &body, self.secret()))
    }

    /// The request as it can be sent, its images within `limits`; as it is where the model sees none.
    pub(crate) async fn fitted(&self, request: ModelRequest, limits: Limits, sees: bool) -> FittedRequest {
        let images = image::count(&request.messages);
        let (request, unseen) = match sees && images > 0 {
            true => self.fitting.fitted(&request, limits).await,
            false => (request, UnseenImages::default()),
        };
        FittedRequest { request, images, unseen }
    }

    /// The deltas of an answer to a request whose images the model was shown, or not (`sees`).
    pub(crate) fn reply<W: Wire>(&self, response: Response, wire: W, asked: &FittedRequest, sees: bool) -> ModelStream {
        let (origin, key) = (Arc::clone(&self.origin), self.key.clone());
        let unseen = match sees {
            true => asked.unseen,
            false => UnseenImages { unsupported: asked.images, ..UnseenImages::default() },
        };
        let tools: Arc<[Arc<ToolSpec>]> = Arc::clone(&asked.request.tools);
        Box::pin(ReplyStream::new(response, wire, self.idle, Asked { origin, key, tools, unseen }))
    }

    fn secret(&self) -> Option<&str> {
        self.key.as_ref().map(ApiKey::reveal)
    }
}

/// A request as JSON.
pub(crate) fn encoded(body: &impl serde::Serialize) -> Result<Bytes, ModelError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| ModelError {
        kind: ModelErrorKind::Refused,
        message: format!("the request cannot be written as JSON: {error}"),
        retry_after_ms: None,
    })
}

/// A key that cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidKey;

/// `Authorization: Bearer ...`, where there is a key, or the key alone in a header of its own.
pub(crate) fn bearer(key: Option<&ApiKey>, header: Option<&'static str>) -> Result<HeaderMap, InvalidKey> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key.map(|key| key.reveal().trim()) {
        match header {
            Some(name) => headers.insert(HeaderName::from_static(name), secret(key)?),
            None => headers.insert(AUTHORIZATION, secret(&format!("Bearer {key}"))?),
        };
    }
    Ok(headers)
}

/// A header's value that no log shows.
pub(crate) fn secret(value: &str) -> Result<HeaderValue, InvalidKey> {
    let mut value = HeaderValue::from_str(value).map_err(|_| InvalidKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URL of an endpoint under `base_url`.
pub(crate) fn below(base_url: &Url, segments: &[&str]) -> Url {
    let mut url = base_url.clone();
    // Fails only for URLs without a host, which are no base URLs.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
