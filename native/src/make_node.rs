//! Named pipes and devices, which Node cannot make.

use napi::{Error, Result};
use napi_derive::napi;
use rustix::fs::{makedev, mknodat, FileType, Mode, CWD};

/// Makes a named pipe or a device at a path, for its owner alone; `kind` is `fifo`, `character` or `block`. Returns 0,
/// or the number of the system's error.
#[napi]
pub fn make_node(path: &[u8], kind: String, major: u32, minor: u32) -> Result<i32> {
    let kind = match kind.as_str() {
        "fifo" => FileType::Fifo,
        "character" => FileType::CharacterDevice,
        "block" => FileType::BlockDevice,
        other => return Err(Error::from_reason(format!("no such kind: {other}"))),
    };
    let made = mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, makedev(major, minor));
    Ok(made.map_or_else(|error| error.raw_os_error(), |()| 0))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_pipe_is_made_for_its_owner_alone_and_what_is_there_already_is_an_error() {
        let path = std::env::temp_dir().join(format!("tapeflow-pipe-{}", std::process::id()));
        let make = |kind: &str| make_node(path.as_os_str().as_bytes(), kind.into(), 0, 0);
        assert_eq!(make("fifo").unwrap(), 0);
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(make("fifo").unwrap(), rustix::io::Errno::EXIST.raw_os_error());
        assert!(make("door").is_err());
        fs::remove_file(&path).unwrap();
    }
}
