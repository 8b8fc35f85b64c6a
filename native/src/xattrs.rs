//! Extended attributes, which Node has no calls for. POSIX ACLs are two of them (`system.posix_acl_access`).

use std::os::fd::BorrowedFd;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use rustix::fs::{
    fgetxattr, flistxattr, fremovexattr, fsetxattr, lgetxattr, llistxattr, lremovexattr, lsetxattr, XattrFlags,
};
use rustix::io::{Errno, Result};

/// The most bytes of a value and of all names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX` of Linux's `linux/limits.h`).
const MOST_BYTES: usize = 65_536;
/// Nearly all lists and values are shorter, and need no memory of their own.
const USUAL_BYTES: usize = 1024;

/// One attribute of an entry. `error`: number of the system's error, when it has no value; `name` is empty when that
/// kept the names from being read.
#[napi(object)]
pub struct Xattr {
    pub name: Uint8Array,
    pub value: Option<Uint8Array>,
    pub error: Option<i32>,
}

/// All attributes of an open file, or, where `fd` is -1, of what is at the path, without following a link; null when it
/// has none. Left out is what a file system keeps for itself: `system.*` apart from ACLs, and `security.evm`, which is
/// true of one inode only.
#[napi]
pub fn read_xattrs(fd: i32, path: &[u8]) -> Option<Vec<Xattr>> {
    // SAFETY: the caller has opened it and does not close it before this returns.
    let file = (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) });
    let names = read(|buffer| match file {
        Some(file) => flistxattr(file, buffer),
        None => llistxattr(path, buffer),
    });
    let names = match names {
        Ok(names) if names.is_empty() => return None,
        Ok(names) => names,
        // What has no attributes at all.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return None,
        Err(errno) => return Some(vec![failed(&[], errno)]),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| is_kept(name)) {
        let value = read(|buffer| match file {
            Some(file) => fgetxattr(file, name, buffer),
            None => lgetxattr(path, name, buffer),
        });
        match value {
            Ok(value) => {
                found.push(Xattr { name: name.to_vec().into(), value: Some(value.into()), error: None });
            }
            // It went away after the names were read.
            Err(Errno::NODATA) => {}
            Err(errno) => found.push(failed(name, errno)),
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Sets an attribute of an open file, or of what is at the path, without following a link. Returns 0, or the number of
/// the system's error.
#[napi]
pub fn set_xattr(fd: i32, path: &[u8], name: &[u8], value: &[u8]) -> i32 {
    let flags = XattrFlags::empty();
    if fd < 0 {
        return number_of(lsetxattr(path, name, value, flags));
    }
    // SAFETY: the caller has opened it and does not close it before this returns.
    number_of(fsetxattr(unsafe { BorrowedFd::borrow_raw(fd) }, name, value, flags))
}

/// Removes an attribute, if it is there. Returns 0, or the number of the system's error.
#[napi]
pub fn remove_xattr(fd: i32, path: &[u8], name: &[u8]) -> i32 {
    let removed = if fd < 0 {
        lremovexattr(path, name)
    } else {
        // SAFETY: the caller has opened it and does not close it before this returns.
        fremovexattr(unsafe { BorrowedFd::borrow_raw(fd) }, name)
    };
    match removed {
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        other => number_of(other),
    }
}

pub(crate) fn is_kept(name: &[u8]) -> bool {
    match name.split(|byte| *byte == b'.').next() {
        Some(b"user" | b"trusted") => true,
        Some(b"security") => name != b"security.evm",
        _ => name == b"system.posix_acl_access" || name == b"system.posix_acl_default",
    }
}

fn failed(name: &[u8], errno: Errno) -> Xattr {
    Xattr { name: name.to_vec().into(), value: None, error: Some(errno.raw_os_error()) }
}

fn number_of(result: Result<()>) -> i32 {
    result.err().map_or(0, Errno::raw_os_error)
}

/// What a call puts into a buffer, which is as large as it has to be.
fn read(call: impl Fn(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut usual = [0; USUAL_BYTES];
    match call(&mut usual) {
        Ok(length) => Ok(usual[..length].to_vec()),
        Err(Errno::RANGE) => {
            let mut most = vec![0; MOST_BYTES];
            let length = call(&mut most).map_err(too_large)?;
            most.truncate(length);
            Ok(most)
        }
        Err(errno) => Err(errno),
    }
}

/// Some file systems have values that are larger than the system hands out.
fn too_large(errno: Errno) -> Errno {
    if errno == Errno::RANGE {
        Errno::TOOBIG
    } else {
        errno
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn values(found: Option<Vec<Xattr>>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pair = |one: Xattr| (one.name.to_vec(), one.value.expect("a value").to_vec());
        let mut all: Vec<_> = found.unwrap_or_default().into_iter().map(pair).collect();
        all.sort();
        all
    }

    #[test]
    fn attributes_come_back_as_they_were_set_also_large_ones_and_a_link_is_not_followed() {
        let folder = std::env::temp_dir().join(format!("tapeflow-xattrs-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (path, link) = (folder.join("file"), folder.join("link"));
        let open = File::create(&path).unwrap();
        symlink("file", &link).unwrap();
        let (fd, at) = (open.as_raw_fd(), path.as_os_str().as_bytes());
        assert!(read_xattrs(fd, b"").is_none());
        if set_xattr(fd, b"", b"user.odd", b"a\0b\n=") == Errno::OPNOTSUPP.raw_os_error() {
            eprintln!("this file system has no attributes");
        } else {
            let large = vec![7; 3000];
            assert_eq!(set_xattr(-1, at, b"user.large", &large), 0);
            assert_eq!(set_xattr(fd, b"", b"user.empty", b""), 0);
            let all = vec![
                (b"user.empty".to_vec(), Vec::new()),
                (b"user.large".to_vec(), large),
                (b"user.odd".to_vec(), b"a\0b\n=".to_vec()),
            ];
            assert_eq!(values(read_xattrs(fd, b"")), all);
            assert_eq!(values(read_xattrs(-1, at)), all);
            assert!(read_xattrs(-1, link.as_os_str().as_bytes()).is_none());
            assert_ne!(set_xattr(-1, link.as_os_str().as_bytes(), b"user.x", b"x"), 0);
            for name in [&b"user.odd"[..], b"user.large", b"user.empty", b"user.none"] {
                assert_eq!(remove_xattr(fd, b"", name), 0);
            }
            assert!(read_xattrs(-1, at).is_none());
        }
        let none = read_xattrs(-1, folder.join("none").as_os_str().as_bytes()).unwrap();
        assert_eq!(none[0].error, Some(Errno::NOENT.raw_os_error()));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_file_system_keeps_for_itself_is_left_out() {
        for name in ["user.a", "trusted.b", "security.capability", "system.posix_acl_default"] {
            assert!(is_kept(name.as_bytes()), "{name}");
        }
        for name in ["system.nfs4_acl", "security.evm", "btrfs.compression", "userx.a", ""] {
            assert!(!is_kept(name.as_bytes()), "{name}");
        }
    }
}
