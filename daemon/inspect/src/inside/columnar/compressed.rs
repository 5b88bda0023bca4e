//! Compressed pages and buffers, unpacked to exactly the size they state and no further.

use super::{Fault, damaged};
use std::io::Read;

/// How a page or buffer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// As it is.
    Plain,
    /// Snappy without frames.
    Snappy,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// An LZ4 block.
    Lz4Block,
    /// LZ4 with frames.
    Lz4Frame,
}

/// Unpacked bytes of one page or buffer.
const MOST: usize = 64 << 20;
/// Memory that Zstandard may look back on.
const WINDOW: u64 = 32 << 20;

/// Unpacks to exactly `size` bytes.
pub fn unpack(codec: Codec, packed: &[u8], size: usize) -> Result<Vec<u8>, Fault> {
    // No codec here is worth more than this to honest content.
    if size > MOST || size > packed.len().saturating_mul(1000) + (1 << 20) {
        return Err((
            sekisho_policy::facts::ProblemKind::Bomb,
            format!("{size} bytes unpacked from {}", packed.len()),
        ));
    }
    let broken = || damaged("compressed data that cannot be unpacked");
    let out = match codec {
        Codec::Plain => packed.to_vec(),
        Codec::Snappy => {
            if snap::raw::decompress_len(packed).ok() != Some(size) {
                return Err(broken());
            }
            snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| broken())?
        }
        Codec::Lz4Block => lz4_flex::block::decompress(packed, size).map_err(|_| broken())?,
        Codec::Gzip => exactly(flate2::read::MultiGzDecoder::new(packed), size)?,
        Codec::Lz4Frame => {
            let mut frame = lz4_flex::frame::FrameDecoder::new(packed);
            let out = exactly(&mut frame, size)?;
            if !frame.get_ref().is_empty() {
                return Err(damaged("bytes behind a frame"));
            }
            out
        }
        Codec::Zstd => {
            let mut rest = packed;
            let mut out = Vec::new();
            while !rest.is_empty() {
                let frame = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(rest, WINDOW);
                let mut frame: ruzstd::decoding::StreamingDecoder<_, ruzstd::decoding::FrameDecoder> =
                    frame.map_err(|_| broken())?;
                (&mut frame)
                    .take((size - out.len()) as u64 + 1)
                    .read_to_end(&mut out)
                    .map_err(|_| broken())?;
                rest = frame.into_inner();
                if out.len() > size {
                    return Err(broken());
                }
            }
            out
        }
    };
    if out.len() == size { Ok(out) } else { Err(damaged("unpacked to another size than it states")) }
}

fn exactly(from: impl Read, size: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    from.take(size as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| damaged("compressed data that cannot be unpacked"))?;
    Ok(out)
}
