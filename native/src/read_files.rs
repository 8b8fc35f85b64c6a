//! Small files that are as they were when they were looked at, many in one call: what Node takes for the calls of one
//! file is several times what the system takes for them.

use std::ffi::OsStr;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Float64Array, Uint8Array};
use napi_derive::napi;
use rustix::fs::{
    fadvise, flistxattr, fstat, openat, openat2, Advice, FileType, Mode, OFlags, ResolveFlags, Stat, CWD,
};
use rustix::io::{pread, retry_on_intr, Errno, Result};
use sha2::{Digest, Sha256};

use crate::xattrs::is_kept;

/// Numbers that describe a file; `archive/pack/small-files.ts` has the same order.
const FIELDS: usize = 10;
/// Where in them the place of its content stands, and its size.
const PLACE: usize = 1;
const SIZE: usize = 2;
/// Bytes that contents are filled up to with zeros: a record of a tar.
const RECORD: usize = 512;
/// After which no further file is begun, so that whoever waits for a slow file system sees that it goes on.
const LONGEST: Duration = Duration::from_millis(100);
/// Bytes of the names of attributes; a file with more is not read.
const USUAL_BYTES: usize = 1024;

/// Reads files of a folder, one after the other, each to its place in `output`, with zeros up to a whole record behind
/// it. Returns the SHA-256 of each in hex, one behind the other: at the first that is not exactly as `fields` say, or
/// changes meanwhile, has attributes, holes or several names, all ends, and `output` may hold anything at its place.
/// What is the matter with it is for the caller to find in another way. It ends early, too, when it has taken long.
///
/// `folder`: its path, which must lead through no link. `names`: with a slash behind each. `fields`: of each file the
/// flags to open it with, the place of its content, its size, the seconds and nanoseconds of its time, mode, owner,
/// group, device and inode.
#[napi]
pub fn read_files(folder: &[u8], names: &[u8], fields: Float64Array, mut output: Uint8Array) -> String {
    // SAFETY: the caller's thread is here, and nobody else has the memory.
    let output = unsafe { output.as_mut() };
    read_each(folder, names, &fields, output).unwrap_or_default()
}

fn read_each(folder: &[u8], names: &[u8], fields: &[f64], output: &mut [u8]) -> Result<String> {
    let began = Instant::now();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = OsStr::from_bytes(folder);
    let folder = retry_on_intr(|| openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS))?;
    let mut opened = Vec::new();
    for (name, planned) in names.split_inclusive(|byte| *byte == b'/').zip(fields.chunks_exact(FIELDS)) {
        let Ok(file) = open_ahead(folder.as_fd(), &name[..name.len() - 1], planned) else { break };
        opened.push((file, planned));
        if began.elapsed() > LONGEST {
            break;
        }
    }
    let mut hashes = String::new();
    for (file, planned) in opened {
        if !hashes.is_empty() && began.elapsed() > LONGEST {
            break;
        }
        let Some(room) = room_of(planned, output) else { break };
        let Ok(hash) = read_as_planned(&file, planned, room) else { break };
        push_hex(&mut hashes, &hash);
    }
    Ok(hashes)
}

/// Opens a file, and has the system fetch its content: a disk brings those of many files in the time of a few.
fn open_ahead(folder: BorrowedFd, name: &[u8], planned: &[f64]) -> Result<OwnedFd> {
    let flags = OFlags::from_bits_retain(planned[0] as u32) | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = retry_on_intr(|| openat(folder, OsStr::from_bytes(name), flags, Mode::empty()))?;
    // Whether the system can do that makes no difference to what is read. What it has grown to is not wanted.
    if let Some(size) = NonZeroU64::new(planned[SIZE] as u64) {
        let _ = fadvise(&file, 0, Some(size), Advice::WillNeed);
    }
    Ok(file)
}

/// Where a file's content goes, with what fills it up.
fn room_of<'a>(planned: &[f64], output: &'a mut [u8]) -> Option<&'a mut [u8]> {
    let (place, size) = (planned[PLACE] as usize, planned[SIZE] as usize);
    output.get_mut(place..place.checked_add(size.checked_next_multiple_of(RECORD)?)?)
}

fn read_as_planned(file: &OwnedFd, planned: &[f64], room: &mut [u8]) -> Result<[u8; 32]> {
    let before = fstat(file)?;
    if !is_as_planned(&before, planned) || has_attributes(file.as_fd())? {
        return Err(Errno::INVAL);
    }
    let (content, rest) = room.split_at_mut(planned[SIZE] as usize);
    let mut have = 0;
    while have < content.len() {
        match retry_on_intr(|| pread(file, &mut content[have..], have as u64))? {
            0 => return Err(Errno::INVAL),
            bytes => have += bytes,
        }
    }
    // Some file systems tell a size only when they are read.
    if content.is_empty() && retry_on_intr(|| pread(file, &mut [0], 0))? != 0 {
        return Err(Errno::INVAL);
    }
    let after = fstat(file)?;
    if !is_as_planned(&after, planned) || changed_at(&before) != changed_at(&after) {
        return Err(Errno::INVAL);
    }
    rest.fill(0);
    Ok(Sha256::digest(content).into())
}

// The types of the fields differ from one kind of processor to another.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn is_as_planned(stat: &Stat, planned: &[f64]) -> bool {
    let seen = [
        stat.st_size as f64,
        stat.st_mtime as f64,
        stat.st_mtime_nsec as f64,
        (stat.st_mode & 0o7777) as f64,
        stat.st_uid as f64,
        stat.st_gid as f64,
        stat.st_dev as f64,
        stat.st_ino as f64,
    ];
    let has_holes = (stat.st_blocks as i64) < (stat.st_size as i64 + 511) / 512;
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_nlink as u64 == 1
        && !has_holes
        && seen[..] == planned[SIZE..]
}

#[allow(clippy::unnecessary_cast)]
fn changed_at(stat: &Stat) -> (i64, u64) {
    (stat.st_ctime as i64, stat.st_ctime_nsec as u64)
}

/// True when it has any that a backup keeps.
fn has_attributes(file: BorrowedFd) -> Result<bool> {
    let mut names = [0; USUAL_BYTES];
    match flistxattr(file, &mut names[..]) {
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Ok(length) => Ok(names[..length].split(|byte| *byte == 0).any(is_kept)),
        Err(errno) => Err(errno),
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
    use std::path::Path;

    use super::*;

    /// What a scan says of a file, whose content is to go to a place.
    fn planned(path: &Path, place: usize) -> Vec<f64> {
        let seen = fs::symlink_metadata(path).unwrap();
        let times = [seen.mtime() as f64, seen.mtime_nsec() as f64];
        let owner = [(seen.mode() & 0o7777) as f64, seen.uid() as f64, seen.gid() as f64];
        let inode = [seen.dev() as f64, seen.ino() as f64];
        [&[0.0, place as f64, seen.len() as f64][..], &times, &owner, &inode].concat()
    }

    fn hex(content: &[u8]) -> String {
        let mut text = String::new();
        push_hex(&mut text, &Sha256::digest(content));
        text
    }

    #[test]
    fn files_are_read_up_to_the_first_that_is_not_as_planned() {
        let root = std::env::temp_dir().canonicalize().unwrap();
        let root = root.join(format!("tapeflow-read-files-{}", std::process::id()));
        fs::create_dir_all(root.join("folder")).unwrap();
        symlink("folder", root.join("link")).unwrap();
        let folder = root.join("folder");
        let files = ["first", "empty", "other"].map(|name| folder.join(name));
        for (file, content) in files.iter().zip(["content", "", "other"]) {
            fs::write(file, content).unwrap();
        }
        let fields: Vec<f64> = files.iter().zip([0, 512, 512]).flat_map(|(file, at)| planned(file, at)).collect();
        let mut output = vec![7; 1024];
        let mut read = |folder: &Path| {
            output.fill(7);
            let hashes = read_each(folder.as_os_str().as_bytes(), b"first/empty/other/", &fields, &mut output);
            hashes.map(|hashes| (hashes, output.clone()))
        };
        // Systems before Linux 5.6, and some sandboxes, do not have the call.
        if !matches!(read(&folder), Err(Errno::NOSYS | Errno::PERM)) {
            let (hashes, content) = read(&folder).unwrap();
            assert_eq!(hashes, [hex(b"content"), hex(b""), hex(b"other")].concat());
            assert_eq!((&content[..8], &content[511..518]), (&b"content\0"[..], &b"\0other\0"[..]));
            assert_eq!(read(&root.join("link")), Err(Errno::LOOP));
            let mut done = || read(&folder).map(|(hashes, _)| hashes.len() / 64);

            let mode = fs::metadata(&files[2]).unwrap().permissions();
            fs::set_permissions(&files[2], fs::Permissions::from_mode(0o7)).unwrap();
            assert_eq!(done(), Ok(2));
            fs::set_permissions(&files[2], mode).unwrap();
            assert_eq!(done(), Ok(3));
            fs::hard_link(&files[2], folder.join("second name")).unwrap();
            assert_eq!(done(), Ok(2));
            fs::remove_file(folder.join("second name")).unwrap();
            fs::write(&files[1], "no more").unwrap();
            assert_eq!(done(), Ok(1));
            fs::remove_file(&files[0]).unwrap();
            symlink("other", &files[0]).unwrap();
            assert_eq!(done(), Ok(0));
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_place_outside_of_the_output_is_none() {
        let mut output = [0; 1024];
        let mut room = |place: f64, size: f64| room_of(&[0.0, place, size], &mut output).map(|room| room.len());
        assert_eq!(room(512.0, 512.0), Some(512));
        assert_eq!(room(512.0, 1.0), Some(512));
        assert_eq!(room(512.0, 513.0), None);
        assert_eq!(room(1025.0, 0.0), None);
        assert_eq!(room(0.0, f64::MAX), None);
        assert_eq!(room(f64::MAX, 1.0), None);
    }
}
