//! The native part of tapeflow: gzip and zstd by their fastest libraries, and calls of the system that Node does not have.
//! Nothing depends on it: `archive/` has another way for each function where it is not built.
//!
//! Work of more than some microseconds runs on libuv's pool and is told by a promise. A thread of Node may load it as often as it
//! likes: what it keeps belongs to threads of the pool.

// Napi's macros export nothing from a test, so that what they export has no user there.
#![cfg_attr(test, allow(dead_code))]

mod arrays;
mod gzip;
mod job;
#[cfg(unix)]
mod lock_file;
#[cfg(unix)]
mod set_times;
mod zstd;
