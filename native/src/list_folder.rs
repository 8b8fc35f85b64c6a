//! The names in a folder, where Node's own call changes the folder's access time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use rustix::fs::{open, Dir, Mode, OFlags};
use rustix::io::Result;

/// The names in a folder, with a slash behind each; nothing where it is no folder but a link to one, or is of somebody
/// else, whose access times this user may not leave as they are, or cannot be listed to its end.
#[napi]
pub fn list_folder(path: &[u8]) -> Option<Buffer> {
    names_in(path).ok().map(Buffer::from)
}

fn names_in(path: &[u8]) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
    let mut names = Vec::new();
    for entry in Dir::new(open(OsStr::from_bytes(path), flags, Mode::empty())?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.extend_from_slice(name);
            names.push(b'/');
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_name_is_listed_as_it_is_and_no_link_is_followed() {
        let folder = std::env::temp_dir().join(format!("tapeflow-list-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (inside, link) = (folder.join("inside"), folder.join("link"));
        fs::create_dir(&inside).unwrap();
        assert_eq!(names_in(inside.as_os_str().as_bytes()), Ok(vec![]));
        for name in [&b".hidden"[..], b"new\nline", b"bad-\xff"] {
            fs::write(inside.join(OsStr::from_bytes(name)), "").unwrap();
        }
        symlink("inside", &link).unwrap();
        let listed = names_in(inside.as_os_str().as_bytes()).unwrap();
        let mut names: Vec<_> = listed.split(|byte| *byte == b'/').collect();
        names.sort();
        assert_eq!(names, [&b""[..], b".hidden", b"bad-\xff", b"new\nline"]);
        assert!(names_in(link.as_os_str().as_bytes()).is_err());
        assert!(names_in(folder.join("none").as_os_str().as_bytes()).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
