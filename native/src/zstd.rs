//! zstd frames (RFC 8878) by libzstd.

use std::cell::RefCell;

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Error, Result, Status};
use napi_derive::napi;
use zstd_safe::{get_error_name, CCtx, CParameter, DCtx, ErrorCode, InBuffer, OutBuffer};

use crate::arrays::Arrays;
use crate::job::BlockJob;

/// The most bytes of an input.
const MOST_BYTES: usize = 1 << 24;

thread_local! {
    // One for each thread of the pool; a context keeps its memory for the next block.
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

fn told(code: ErrorCode) -> Error {
    Error::new(Status::GenericFailure, get_error_name(code))
}

fn no_memory() -> Error {
    Error::new(Status::GenericFailure, "no memory for zstd")
}

fn compressed(input: &[u8], output: &mut [u8], level: i32) -> Result<u32> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = CCtx::try_create();
        }
        let compressor = compressor.as_mut().ok_or_else(no_memory)?;
        compressor.set_parameter(CParameter::CompressionLevel(level)).map_err(told)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(told)?;
        compressor.compress2(output, input).map(|bytes| bytes as u32).map_err(told)
    })
}

fn decompressed(input: &[u8], output: &mut [u8]) -> Result<u32> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = DCtx::try_create();
        }
        let decompressor = decompressor.as_mut().ok_or_else(no_memory)?;
        decompressor.decompress(output, input).map(|bytes| bytes as u32).map_err(told)
    })
}

/// Makes one frame of the input, with its content's size and checksum, at a level from 1 to 19; resolves to the number
/// of bytes in the output, which must have room for 1/128 more than the input and 1 KiB. Throws for a wrong level or
/// size.
#[napi]
pub fn zstd_compress(input: Uint8Array, output: Uint8Array, level: i32) -> Result<AsyncTask<BlockJob>> {
    let arrays = Arrays::new(input, output);
    let bytes = arrays.input_bytes();
    // At least ZSTD_compressBound: with that much room only memory can run out.
    if bytes > MOST_BYTES || arrays.room() < bytes + bytes / 128 + 1024 || !(1..=19).contains(&level) {
        return Err(Error::new(Status::InvalidArg, "a wrong level, or buffers that are too small or too large"));
    }
    Ok(BlockJob::begin(arrays, level, compressed))
}

/// Decompresses and verifies one frame; resolves to the number of bytes in the output. Rejects when it is damaged or
/// does not fit.
#[napi]
pub fn zstd_decompress(input: Uint8Array, output: Uint8Array) -> Result<AsyncTask<BlockJob>> {
    let arrays = Arrays::new(input, output);
    if arrays.input_bytes() > MOST_BYTES {
        return Err(Error::new(Status::InvalidArg, "the input is too large"));
    }
    Ok(BlockJob::begin(arrays, 0, |input, output, _level| decompressed(input, output)))
}

/// Reads any frames, one after the other, in the thread that calls.
#[napi]
pub struct ZstdStream {
    context: DCtx<'static>,
    /// What ZSTD_decompressStream returned last: 0 between two frames.
    hint: usize,
}

#[napi]
impl ZstdStream {
    #[napi(constructor)]
    pub fn new() -> Result<Self> {
        let context = DCtx::try_create().ok_or_else(no_memory)?;
        Ok(Self { context, hint: 0 })
    }

    /// Returns how many bytes of the input were read and how many of the output were filled. Throws when a frame is
    /// damaged.
    #[napi]
    pub fn read(&mut self, input: Uint8Array, output: Uint8Array) -> Result<(u32, u32)> {
        let mut arrays = Arrays::new(input, output);
        let (input, output) = arrays.both();
        let mut taken = InBuffer::around(input);
        let mut given = OutBuffer::around(output);
        self.hint = self.context.decompress_stream(&mut given, &mut taken).map_err(told)?;
        Ok((taken.pos() as u32, given.pos() as u32))
    }

    /// True between two frames.
    #[napi(getter)]
    pub fn ended(&self) -> bool {
        self.hint == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(content: &[u8], level: i32) -> Vec<u8> {
        let mut output = vec![0; content.len() + content.len() / 128 + 1024];
        let bytes = compressed(content, &mut output, level).unwrap();
        output.truncate(bytes as usize);
        output
    }

    #[test]
    fn every_level_gives_back_what_it_got_also_after_a_frame_that_was_damaged() {
        let text = "tape after tape, ".repeat(5000);
        for level in 1..=19 {
            let mut back = vec![0; text.len()];
            let mut damaged = frame(text.as_bytes(), level);
            *damaged.last_mut().unwrap() ^= 1;
            assert!(decompressed(&damaged, &mut back).is_err(), "its checksum, at level {level}");
            assert_eq!(decompressed(&frame(text.as_bytes(), level), &mut back).unwrap() as usize, text.len());
            assert!(back == text.as_bytes(), "level {level}");
        }
    }

    #[test]
    fn a_frame_larger_than_its_output_is_refused() {
        assert!(decompressed(&frame(b"tape after tape", 3), &mut [0; 14]).is_err());
    }
}
