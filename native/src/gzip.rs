//! gzip members (RFC 1952) by libdeflate.

use std::cell::RefCell;
use std::ptr::{null_mut, NonNull};

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_free_decompressor,
    libdeflate_gzip_compress_bound, libdeflate_gzip_decompress_ex, libdeflate_result_LIBDEFLATE_SUCCESS,
};
use libdeflater::{CompressionLvl, Compressor};
use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Error, Result, Status};
use napi_derive::napi;

use crate::arrays::Arrays;
use crate::job::BlockJob;

/// The most bytes of an input of `gzip`.
#[napi]
pub const MOST_BYTES: u32 = 1 << 20;
/// libdeflate's levels are 0 to 12.
const LEVELS: usize = 13;

thread_local! {
    // One for each level and thread of the pool: creating one costs some hundred page faults.
    static COMPRESSORS: RefCell<[Option<Compressor>; LEVELS]> = const { RefCell::new([const { None }; LEVELS]) };
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// Bytes of output to reserve for an input of this size, at any level.
#[napi]
pub fn output_bytes(bytes: u32) -> u32 {
    // SAFETY: a null compressor yields the bound for all levels and allocates nothing.
    unsafe { libdeflate_gzip_compress_bound(null_mut(), bytes as usize) as u32 }
}

fn compressed(input: &[u8], output: &mut [u8], level: i32) -> Result<u32> {
    COMPRESSORS.with_borrow_mut(|compressors| {
        let compressor = compressors[level as usize].get_or_insert_with(|| {
            let level = CompressionLvl::new(level);
            Compressor::new(level.unwrap_or_default())
        });
        let bytes = compressor.gzip_compress(input, output);
        bytes.map(|bytes| bytes as u32).map_err(|_| failed("a block does not fit its output"))
    })
}

fn decompressed(input: &[u8], output: &mut [u8]) -> Result<u32> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = Decompressor::new();
        }
        let decompressor = decompressor.as_mut().ok_or_else(|| failed("no memory for gzip"))?;
        match decompressor.member(input, output) {
            Some((taken, bytes)) if taken == input.len() => Ok(bytes as u32),
            Some(_) => Err(failed("more follows the gzip member")),
            None => Err(failed("it is no gzip member of this size")),
        }
    })
}

/// The one in `libdeflater` does not report how much of the input a member takes.
struct Decompressor(NonNull<libdeflate_decompressor>);

impl Decompressor {
    fn new() -> Option<Self> {
        // SAFETY: it has no conditions.
        NonNull::new(unsafe { libdeflate_alloc_decompressor() }).map(Self)
    }

    /// How many bytes of the input the first member takes and how many it holds; None when it is damaged or does not
    /// fit.
    fn member(&mut self, input: &[u8], output: &mut [u8]) -> Option<(usize, usize)> {
        let (mut taken, mut bytes) = (0, 0);
        // SAFETY: the pointers are those of slices of these lengths, and of the two numbers, and of a live decompressor
        // that nobody else uses.
        let result = unsafe {
            libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                output.as_mut_ptr().cast(),
                output.len(),
                &mut taken,
                &mut bytes,
            )
        };
        (result == libdeflate_result_LIBDEFLATE_SUCCESS).then_some((taken, bytes))
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: it was allocated by `new`, and this is its end.
        unsafe { libdeflate_free_decompressor(self.0.as_ptr()) };
    }
}

/// Makes one member of the input, at a libdeflate level from 0 to 12; resolves to the number of bytes in the output.
/// Throws for a wrong level or size.
#[napi]
pub fn gzip(input: Uint8Array, output: Uint8Array, level: u32) -> Result<AsyncTask<BlockJob>> {
    let arrays = Arrays::new(input, output);
    let bytes = arrays.input_bytes();
    if bytes > MOST_BYTES as usize || arrays.room() < output_bytes(bytes as u32) as usize {
        return Err(wrong("a buffer is too small or too large"));
    }
    if level as usize >= LEVELS {
        return Err(wrong("there is no such level"));
    }
    Ok(BlockJob::begin(arrays, level as i32, compressed))
}

/// Decompresses an input that is exactly one member, of at most twice `MOST_BYTES`, and verifies its checksum; resolves
/// to the number of bytes in the output, which may be exactly that large. Rejects when the input is damaged or the
/// output does not fit.
#[napi]
pub fn gunzip(input: Uint8Array, output: Uint8Array) -> Result<AsyncTask<BlockJob>> {
    let arrays = Arrays::new(input, output);
    // One that could not be compressed at all is a little larger than its content.
    if arrays.input_bytes() > 2 * MOST_BYTES as usize {
        return Err(wrong("the input is too large"));
    }
    Ok(BlockJob::begin(arrays, 0, |input, output, _level| decompressed(input, output)))
}

fn wrong(why: &str) -> Error {
    Error::new(Status::InvalidArg, why)
}

fn failed(why: &str) -> Error {
    Error::new(Status::GenericFailure, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(content: &[u8], level: i32) -> Vec<u8> {
        let mut output = vec![0; output_bytes(content.len() as u32) as usize];
        let bytes = compressed(content, &mut output, level).unwrap();
        output.truncate(bytes as usize);
        output
    }

    #[test]
    fn every_level_gives_back_what_it_got() {
        let text = "tape after tape, ".repeat(5000);
        for content in [b"".as_slice(), b"a", text.as_bytes(), &[0; MOST_BYTES as usize]] {
            for level in 0..LEVELS as i32 {
                let mut back = vec![1; content.len()];
                assert_eq!(decompressed(&member(content, level), &mut back).unwrap() as usize, content.len());
                assert!(back == content, "{} bytes at level {level}", content.len());
            }
        }
    }

    #[test]
    fn a_member_is_refused_that_is_cut_damaged_or_larger_than_its_output() {
        let whole = member(b"tape after tape", 6);
        let mut output = [0; 15];
        for bytes in 0..whole.len() {
            assert!(decompressed(&whole[..bytes], &mut output).is_err(), "cut at {bytes}");
        }
        let mut damaged = whole.clone();
        // Its checksum.
        damaged[whole.len() - 8] ^= 1;
        assert!(decompressed(&damaged, &mut output).is_err());
        assert!(decompressed(&whole, &mut output[..14]).is_err());
        assert!(decompressed(&whole, &mut output).is_ok());
    }

    #[test]
    fn whatever_follows_a_member_makes_it_no_member() {
        let whole = member(b"tape after tape", 6);
        let mut output = [0; 100];
        for more in [b"\0".as_slice(), &[0; 8], &whole] {
            assert!(decompressed(&[&whole, more].concat(), &mut output).is_err());
        }
    }
}
