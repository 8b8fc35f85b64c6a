//! Opening a file only where its path leads through no link: `openat2` of Linux 5.6, which Node does not have.

use std::os::fd::IntoRawFd;

use napi_derive::napi;
use rustix::fs::{openat2, Mode, OFlags, ResolveFlags, CWD};
use rustix::io::retry_on_intr;

/// Opens a file with flags of `open`, unless its path leads through a symbolic link or is one. Returns the open file,
/// which the caller closes, or the negative number of the system's error: `ELOOP` for a link.
#[napi]
pub fn open_unlinked(path: &[u8], flags: i32) -> i32 {
    let flags = OFlags::from_bits_retain(flags as u32) | OFlags::CLOEXEC;
    match retry_on_intr(|| openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)) {
        Ok(file) => file.into_raw_fd(),
        Err(errno) => -errno.raw_os_error(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::fd::FromRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_link_anywhere_in_the_path_is_refused() {
        let root = std::env::temp_dir().join(format!("tapeflow-unlinked-{}", std::process::id()));
        fs::create_dir_all(root.join("folder")).unwrap();
        let root = root.canonicalize().unwrap();
        fs::write(root.join("folder/file"), "content").unwrap();
        symlink("folder", root.join("above")).unwrap();
        symlink("file", root.join("folder/link")).unwrap();
        let open = |name: &str| open_unlinked(root.join(name).as_os_str().as_bytes(), 0);

        let fd = open("folder/file");
        // Systems before Linux 5.6, and some sandboxes, do not have the call.
        if ![Errno::NOSYS, Errno::PERM].map(Errno::raw_os_error).contains(&-fd) {
            let mut content = String::new();
            // SAFETY: it was opened just now, and nobody else closes it.
            unsafe { File::from_raw_fd(fd) }.read_to_string(&mut content).unwrap();
            assert_eq!(content, "content");
            assert_eq!(open("above/file"), -Errno::LOOP.raw_os_error());
            assert_eq!(open("folder/link"), -Errno::LOOP.raw_os_error());
            assert_eq!(open("none"), -Errno::NOENT.raw_os_error());
        }
        fs::remove_dir_all(&root).unwrap();
    }
}
