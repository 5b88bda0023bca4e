//! Pictures: what rides along in one, and the copy that holds its pixels only (`5-4(2)(iii)`).
//!
//! Invariant: a copy follows from the pixels that are seen and from nothing else; the same picture always becomes the
//! same bytes, whatever chunks, filters and packing it came with.

pub mod jpeg;
pub mod lattice;
pub mod pdf;
pub mod pixels;
pub mod png;
pub mod svg;
#[cfg(test)]
mod tests;

use sekisho_wire::inspect::Mended;

/// The largest picture file that is looked into.
pub const MOST_BYTES: u64 = 64 << 20;
/// The largest picture: 24 million pixels, which is A3 at 300 dpi and more.
pub const MOST_PIXELS: usize = 24 << 20;

/// The re-encoded copy of a picture, and what it holds; `None` when the file is no picture that is wholly understood.
pub fn copy(bytes: &[u8]) -> Option<(Vec<u8>, Mended)> {
    let (pixels, dropped, lossy) = if bytes.starts_with(b"\x89PNG") {
        let (pixels, dropped) = png::salvage(bytes)?;
        (pixels, dropped, false)
    } else {
        let (pixels, dropped) = jpeg::salvage(bytes)?;
        (pixels, dropped, true)
    };
    let rides = if dropped.is_empty() { "nothing".into() } else { dropped.join(", ") };
    let rides_ja = if dropped.is_empty() { "なし".into() } else { dropped.join("、") };
    // What a lossy format leaves around every edge is as good a hiding place as noise.
    let reduced = lossy || pixels.noise().is_some();
    let (pixels, colours) = if reduced { pixels.main_colours() } else { (pixels, 0) };
    let size = format!("{} x {}", pixels.width, pixels.height);
    let (what, what_ja) = if reduced {
        (
            format!("colours reduced to the {colours} main ones"),
            format!("色を主な {colours} 色に減らしました"),
        )
    } else {
        ("every visible pixel kept".to_owned(), "見える画素はすべて元のままです".to_owned())
    };
    let words = Mended {
        holds: format!("picture re-encoded as PNG, {size}: {what}; left out: {rides}"),
        holds_ja: format!(
            "画像を PNG として再エンコードしました（{size}）: {what_ja}。除いたもの: {rides_ja}"
        ),
    };
    Some((pixels.encode()?, words))
}
