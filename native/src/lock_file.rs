//! A lock on an open file or folder that the system releases when it is closed or the process dies.

use std::os::fd::BorrowedFd;

use napi_derive::napi;
use rustix::fs::{flock, FlockOperation};
use rustix::io::{retry_on_intr, Errno};

/// 0 when this open file now has the lock, 1 when another one has it, -1 when the system has no such lock.
#[napi]
pub fn lock_open_file(fd: i32) -> i32 {
    if fd < 0 {
        return -1;
    }
    // SAFETY: the caller has opened it and does not close it before this returns.
    let file = unsafe { BorrowedFd::borrow_raw(fd) };
    match retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => 0,
        Err(Errno::WOULDBLOCK) => 1,
        Err(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn one_open_file_has_the_lock_until_it_is_closed() {
        let path = std::env::temp_dir().join(format!("tapeflow-lock-{}", std::process::id()));
        let (first, second) = (File::create(&path).unwrap(), File::create(&path).unwrap());
        assert_eq!(lock_open_file(first.as_raw_fd()), 0);
        assert_eq!(lock_open_file(first.as_raw_fd()), 0);
        assert_eq!(lock_open_file(second.as_raw_fd()), 1);
        drop(first);
        assert_eq!(lock_open_file(second.as_raw_fd()), 0);
        assert_eq!(lock_open_file(-1), -1);
        std::fs::remove_file(&path).unwrap();
    }
}
