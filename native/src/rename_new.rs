//! Giving a file its name only where nothing has it: `renameat2` of Linux 3.15, which Node does not have.

use napi_derive::napi;
use rustix::fs::{renameat_with, RenameFlags, CWD};
use rustix::io::Errno;

/// Renames a file unless something has the new name. Returns 0, or the number of the system's error: `EEXIST` where
/// something has it, `EINVAL` where the file system cannot tell.
#[napi]
pub fn rename_new(from: &[u8], to: &[u8]) -> i32 {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).err().map_or(0, Errno::raw_os_error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_file_gets_a_free_name_and_takes_nobody_elses() {
        let folder = std::env::temp_dir().join(format!("tapeflow-rename-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        fs::write(at("part"), "new").unwrap();
        fs::write(at("taken"), "old").unwrap();
        let rename = |to: &str| rename_new(at("part").as_os_str().as_bytes(), at(to).as_os_str().as_bytes());
        let taken = rename("taken");
        // Some file systems do not have the flag.
        if taken != Errno::INVAL.raw_os_error() {
            assert_eq!(taken, Errno::EXIST.raw_os_error());
            assert_eq!(fs::read(at("taken")).unwrap(), b"old");
            assert_eq!(rename("free"), 0);
            assert_eq!(fs::read(at("free")).unwrap(), b"new");
            assert_eq!(rename("other"), Errno::NOENT.raw_os_error());
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
