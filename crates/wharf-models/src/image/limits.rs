//! What each wire takes of images.

use wharf_foreign::image::Format::{self, Gif, Jpeg, Png, WebP};

/// Where too many or too large images are left out of a request, so many of its share are left out at once: a request that grew by one
/// image does not change at its beginning each time.
const STEPS: usize = 4;

/// What one wire takes of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(super) formats: &'static [Format],
    /// Pixels of the longer side. More are not seen, or refused.
    pub(super) side: u32,
    /// Letters of base64 of one image, and of all of a request.
    pub(super) letters: usize,
    pub(super) all_letters: usize,
    pub(super) count: usize,
}

impl Limits {
    /// 5 MB each, 32 MB a request, 100 images at a window of 200k. Above 20 images each may have 2,000 pixels a side: none has more, so that
    /// the twenty-first changes nothing. Models before Opus 4.7 see 1,568 pixels.
    pub(crate) const ANTHROPIC: Self =
        Self { formats: &[Png, Jpeg, Gif, WebP], side: 2_000, letters: 5_000_000, all_letters: 24_000_000, count: 100 };
    pub(crate) const OLDER_ANTHROPIC: Self = Self { side: 1_568, ..Self::ANTHROPIC };
    /// The models see 2,048 pixels; of a GIF a picture that stands still.
    pub(crate) const RESPONSES: Self =
        Self { formats: &[Png, Jpeg, WebP], side: 2_048, letters: 8_000_000, all_letters: 24_000_000, count: 100 };
    /// 20 MB a request; no GIF.
    pub(crate) const GEMINI: Self = Self { all_letters: 14_000_000, letters: 7_000_000, ..Self::RESPONSES };
    /// Servers of all kinds: what each of them reads (llama.cpp no WebP, xAI neither that nor GIF), in sizes that small ones bear.
    pub(crate) const CHAT: Self =
        Self { formats: &[Png, Jpeg], side: 2_048, letters: 5_000_000, all_letters: 20_000_000, count: 50 };

    /// What tells them apart where images that were made fit are kept. How many there may be changes no image.
    pub(super) fn name(self) -> Vec<u8> {
        let formats = self.formats.iter().flat_map(|format| format.media_type().bytes());
        formats.chain(self.side.to_le_bytes()).chain(self.letters.to_le_bytes()).collect()
    }

    /// So many of the oldest images have to go, of those that are shown; `sizes` are their letters, 0 of one that is not shown.
    pub(super) fn too_many(self, sizes: &[usize]) -> usize {
        let shown: Vec<usize> = sizes.iter().copied().filter(|size| *size > 0).collect();
        let by_count = stepped(shown.len().saturating_sub(self.count), self.count);
        let excess = stepped(shown.iter().sum::<usize>().saturating_sub(self.all_letters), self.all_letters);
        let mut gone = 0;
        let by_letters = shown.iter().take_while(|size| {
            let is_needed = gone < excess;
            gone += **size;
            is_needed
        });
        // The newest is what the model was just asked about; alone it fits.
        by_count.max(by_letters.count()).min(shown.len().saturating_sub(1))
    }
}

fn stepped(excess: usize, of: usize) -> usize {
    excess.next_multiple_of((of / STEPS).max(1))
}
