//! The native part of tapeflow: gzip and zstd by their fastest libraries, and calls of the system that Node does not
//! have. Nothing depends on it: `archive/` has another way for each function where it is not built.
//!
//! Work of more than a few microseconds runs on libuv's pool and returns a promise. A Node thread may load the addon
//! any number of times: its state belongs to the pool's threads.

// Napi's macros export nothing in tests, so exported items are unused there.
#![cfg_attr(test, allow(dead_code))]

mod arrays;
#[cfg(target_os = "linux")]
mod check_files;
mod gzip;
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
mod holes;
mod job;
#[cfg(target_os = "linux")]
mod list_folder;
#[cfg(unix)]
mod lock_file;
#[cfg(target_os = "linux")]
mod look_into;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod make_node;
#[cfg(target_os = "linux")]
mod open_unlinked;
#[cfg(target_os = "linux")]
mod read_files;
#[cfg(target_os = "linux")]
mod rename_new;
#[cfg(unix)]
mod set_times;
#[cfg(target_os = "linux")]
mod write_files;
#[cfg(target_os = "linux")]
mod xattrs;
mod zstd;
