//! Images as a wire takes them: what is too large is made smaller, what it cannot read is written in another format, and what no
//! model could see is said in words.
//!
//! The log keeps each image as it came. It is made fit when it is asked about, so that a session can change its model. The same image and
//! limits give the same bytes, and what a request leaves out follows from its images alone: a request begins as the one before it did.

mod cache;
mod fit;
mod jpeg;
mod limits;
mod pixels;
mod scale;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wharf_protocol::{ContentBlock, Message, UnseenImages};

pub(crate) use limits::Limits;

use crate::ModelRequest;
use cache::{Cache, Key};
use fit::Fitted;

/// Images that are decoded at once, in the whole process. One takes up to half a gigabyte (50 megapixels, in a progressive JPEG); the
/// others wait.
const DECODED_AT_ONCE: usize = 1;

/// How long one image is waited for, with those before it. Then the request goes out without it, and the next one finds it done.
const WAIT: Duration = Duration::from_secs(60);

/// Makes images fit, and keeps what it made.
pub(crate) struct Images {
    cache: Arc<Mutex<Cache>>,
    decoding: Arc<Semaphore>,
}

impl Default for Images {
    fn default() -> Self {
        Self { cache: Arc::default(), decoding: Arc::new(Semaphore::new(DECODED_AT_ONCE)) }
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

/// Where an image stands in a request: which message, and which of its blocks.
type Place = (usize, usize);

impl Images {
    /// The request with images that fit `limits`, and which of them it does not show. Safe to drop at any await.
    pub(crate) async fn fitted(&self, request: &ModelRequest, limits: Limits) -> (ModelRequest, UnseenImages) {
        let places = places(&request.messages);
        let mut request = request.clone();
        if places.is_empty() {
            return (request, UnseenImages::default());
        }
        let found = self.look_up(&request.messages, &places, limits).await;
        let mut shown = Vec::with_capacity(places.len());
        for (place, (key, kept)) in places.into_iter().zip(found) {
            let fitted = match kept {
                Some(kept) => kept,
                None => self.made(Arc::clone(&request.messages[place.0]), place.1, key, limits).await,
            };
            shown.push((place, fitted));
        }
        let unseen = put_in(&mut request.messages, &shown, limits);
        (request, unseen)
    }

    /// What is known of each image already. Off the async threads: each byte is looked at.
    async fn look_up(
        &self,
        messages: &[Arc<Message>],
        places: &[Place],
        limits: Limits,
    ) -> Vec<(Key, Option<Arc<Fitted>>)> {
        let (cache, count) = (Arc::clone(&self.cache), places.len());
        let named: Vec<_> = places.iter().map(|(message, block)| (Arc::clone(&messages[*message]), *block)).collect();
        let look = move || {
            let keys = named.iter().map(|(message, block)| key(&message.content[*block], limits));
            let keys: Vec<Key> = keys.collect();
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            keys.into_iter().map(|key| (key, cache.get(&key))).collect()
        };
        // It fails only where the runtime ends.
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| vec![(Key::default(), None); count])
    }

    /// Makes one image fit. Whatever its bytes do to a decoder, a panic too, is a word about this image and nothing more.
    async fn made(&self, message: Arc<Message>, block: usize, key: Key, limits: Limits) -> Arc<Fitted> {
        let (cache, decoding) = (Arc::clone(&self.cache), Arc::clone(&self.decoding));
        let work = async move {
            let Ok(permit) = decoding.acquire_owned().await else { return Fitted::unreadable("the server stops") };
            let making = tokio::task::spawn_blocking(move || {
                // Held until the work is done, also where nobody waits for it any more.
                let _permit = permit;
                let mut known = cache.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(made) = known.get(&key) {
                    return made;
                }
                drop(known);
                let made = fit::fit(&message.content[block], limits);
                let mut known = cache.lock().unwrap_or_else(PoisonError::into_inner);
                known.put(key, Arc::clone(&made));
                made
            });
            making.await.unwrap_or_else(|_| Fitted::unreadable("it is damaged"))
        };
        timeout(WAIT, work).await.unwrap_or_else(|_| Fitted::unreadable("it takes too long to read"))
    }
}

fn key(block: &ContentBlock, limits: Limits) -> Key {
    let mut sum = Sha256::new();
    sum.update(limits.name());
    if let ContentBlock::Image { data, .. } = block {
        sum.update(data.as_bytes());
    }
    sum.finalize().into()
}

fn places(messages: &[Arc<Message>]) -> Vec<Place> {
    let images = |(at, message): (usize, &Arc<Message>)| {
        let blocks = message.content.iter().enumerate();
        let images = blocks.filter(|(_, block)| matches!(block, ContentBlock::Image { .. }));
        images.map(|(block, _)| (at, block)).collect::<Vec<_>>()
    };
    messages.iter().enumerate().flat_map(images).collect()
}

/// Images in messages that the model is shown nothing of.
pub(crate) fn count(messages: &[Arc<Message>]) -> u64 {
    places(messages).len() as u64
}

/// What a server's refusal means for the images of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This model sees none.
    All,
    /// One of these is not to its liking.
    These,
}

/// What servers say that take no images at all.
const TAKES_NONE: [&str; 11] = [
    "not support",
    "unsupported",
    "no support",
    "unknown",
    "unrecognized",
    "no endpoints found",
    "mmproj",
    "multimodal",
    "vision",
    "only text",
    "text-only",
];

/// Whether a request was refused for its images.
pub(crate) fn refusal(said: &str, request: &ModelRequest) -> Option<Refusal> {
    let is_about_images = said.contains("image") || said.contains("vision") || said.contains("multimodal");
    if !is_about_images || count(&request.messages) == 0 {
        return None;
    }
    // "Unsupported image format" is about this one.
    let is_about_format = ["format", "mime", "media type", "media_type"].iter().any(|words| said.contains(words));
    let is_all = !is_about_format && TAKES_NONE.iter().any(|words| said.contains(words));
    Some(if is_all { Refusal::All } else { Refusal::These })
}

fn put_in(messages: &mut [Arc<Message>], shown: &[(Place, Arc<Fitted>)], limits: Limits) -> UnseenImages {
    let mut unseen = UnseenImages::default();
    let sizes = shown.iter().map(|((message, block), fitted)| fitted.letters(&messages[*message].content[*block]));
    let sizes: Vec<usize> = sizes.collect();
    let mut oldest = limits.too_many(&sizes);
    for (at, ((message, block), fitted)) in shown.iter().enumerate() {
        let is_left_out = sizes[at] > 0 && oldest > 0;
        if is_left_out {
            oldest -= 1;
            unseen.too_many += 1;
        } else if matches!(**fitted, Fitted::Unreadable(_)) {
            unseen.unreadable += 1;
        }
        let old = &messages[*message].content[*block];
        if let Some(mut new) = fitted.replaces(old, is_left_out) {
            // Texts that follow each other are one: a word has a line of its own.
            if let ContentBlock::Text { text } = &mut new
                && *block > 0
            {
                text.insert(0, '\n');
            }
            Arc::make_mut(&mut messages[*message]).content[*block] = new;
        }
    }
    unseen
}

#[cfg(test)]
mod tests;
