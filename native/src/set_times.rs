//! Times to the nanosecond, where Node's own calls take seconds as a double.

use std::os::fd::BorrowedFd;

use napi_derive::napi;
use rustix::fs::{futimens, utimensat, AtFlags, Timespec, Timestamps, CWD};

/// Sets access and modification time of an open file, or, where `fd` is -1, of the path itself, without following a
/// link. False when the system refuses.
#[napi]
pub fn set_times(fd: i32, path: &[u8], seconds: i64, nanoseconds: u32) -> bool {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    if nanoseconds > 999_999_999 {
        return false;
    }
    if fd < 0 {
        return utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    }
    // SAFETY: the caller has opened it and does not close it before this returns.
    let file = unsafe { BorrowedFd::borrow_raw(fd) };
    futimens(file, &times).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{symlink, MetadataExt};

    use super::*;

    #[test]
    fn times_are_exact_also_before_1970_and_those_of_a_link_are_its_own() {
        let folder = std::env::temp_dir().join(format!("tapeflow-times-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (file, link) = (folder.join("file"), folder.join("link"));
        let open = File::create(&file).unwrap();
        symlink("file", &link).unwrap();
        assert!(set_times(open.as_raw_fd(), b"", -2, 999_999_999));
        assert!(set_times(-1, link.as_os_str().as_bytes(), 1_700_000_000, 1));
        let time = |metadata: fs::Metadata| (metadata.mtime(), metadata.mtime_nsec());
        assert_eq!(time(fs::metadata(&file).unwrap()), (-2, 999_999_999));
        assert_eq!(time(fs::symlink_metadata(&link).unwrap()), (1_700_000_000, 1));
        assert!(!set_times(-1, folder.join("none").as_os_str().as_bytes(), 0, 0));
        assert!(!set_times(open.as_raw_fd(), b"", 0, 1_000_000_000));
        fs::remove_dir_all(&folder).unwrap();
    }
}
