//! Many small files by one call, on libuv's pool: what Node takes for the calls of one file is several times what the
//! system takes for them.

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use napi::bindgen_prelude::{AsyncTask, Float64Array, Uint8Array};
use napi::{Env, Result, Task};
use napi_derive::napi;
use rustix::fs::{
    fchmod, fchown, flistxattr, fstat, futimens, openat, renameat, renameat_with, unlinkat, AtFlags, Gid, Mode, OFlags,
    RenameFlags, Timespec, Timestamps, Uid,
};
use rustix::io::{self, Errno};

/// Numbers that describe a file; `archive/unpack/file-batch.ts` has the same order.
const FIELDS: usize = 9;
/// Milliseconds by which a time may be off; `coarsestTimeMs` of `archive/unpack/put-metadata.ts`.
const COARSEST_TIME_MS: f64 = 2000.0;

/// Bytes of the names of the attributes that a new file has; where there are more, it is not done.
const USUAL_BYTES: usize = 1024;

/// Writes small files, one after the other, each under a temporary name first, with its owner, mode and times before
/// it gets its own name. Resolves to how many are done: at the first that is not, all ends, and nothing of it is left.
/// What was wrong is for the caller to find in another way.
///
/// `fields`: of each file its open folder, the bytes of its temporary name, of its name and of its content, its mode,
/// owner, group, and the seconds and nanoseconds of its time. `bytes`: names and contents, one behind the other.
/// Neither array may be touched until the promise settles, nor a folder be closed. `owned`: owner and group are set.
/// `replacing`: what has come to a name meanwhile is replaced.
#[napi]
pub fn write_files(fields: Float64Array, bytes: Uint8Array, owned: bool, replacing: bool) -> AsyncTask<WriteJob> {
    AsyncTask::new(WriteJob { fields, bytes, owned, replacing })
}

pub struct WriteJob {
    fields: Float64Array,
    bytes: Uint8Array,
    owned: bool,
    replacing: bool,
}

impl Task for WriteJob {
    type Output = u32;
    type JsValue = u32;

    fn compute(&mut self) -> Result<u32> {
        Ok(write_each(&self.fields, &self.bytes, self.owned, self.replacing))
    }

    fn resolve(&mut self, _env: Env, done: u32) -> Result<u32> {
        Ok(done)
    }
}

fn write_each(fields: &[f64], bytes: &[u8], owned: bool, replacing: bool) -> u32 {
    let mut rest = bytes;
    let mut done = 0;
    for file in fields.chunks_exact(FIELDS) {
        let Some(file) = NewFile::from(file, &mut rest) else { break };
        if file.put(owned, replacing).is_err() {
            break;
        }
        done += 1;
    }
    done
}

struct NewFile<'a> {
    folder: BorrowedFd<'a>,
    part: &'a [u8],
    name: &'a [u8],
    content: &'a [u8],
    mode: Mode,
    uid: u32,
    gid: u32,
    seconds: i64,
    nanoseconds: i64,
}

impl<'a> NewFile<'a> {
    /// Takes the bytes of a file from the front of `rest`; nothing where they, or its names, cannot be meant.
    fn from(fields: &[f64], rest: &mut &'a [u8]) -> Option<Self> {
        let mut take = |length: f64| {
            let (taken, left) = rest.split_at_checked(length as usize)?;
            *rest = left;
            Some(taken)
        };
        let (part, name, content) = (take(fields[1])?, take(fields[2])?, take(fields[3])?);
        let folder = fields[0] as i32;
        if folder < 0 || !is_entry(part) || !is_entry(name) {
            return None;
        }
        Some(Self {
            // SAFETY: the caller has opened it and does not close it before the promise settles.
            folder: unsafe { BorrowedFd::borrow_raw(folder) },
            part,
            name,
            content,
            mode: Mode::from_raw_mode(fields[4] as u32),
            uid: fields[5] as u32,
            gid: fields[6] as u32,
            seconds: fields[7] as i64,
            nanoseconds: fields[8] as i64,
        })
    }

    fn put(&self, owned: bool, replacing: bool) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(self.folder, self.part, flags, Mode::RUSR | Mode::WUSR)?;
        let put = self.fill(file.as_fd(), owned).and_then(|()| {
            // Some file systems tell only here that a write failed.
            close(file)?;
            if replacing {
                renameat(self.folder, self.part, self.folder, self.name)
            } else {
                renameat_with(self.folder, self.part, self.folder, self.name, RenameFlags::NOREPLACE)
            }
        });
        if put.is_err() {
            let _ = unlinkat(self.folder, self.part, AtFlags::empty());
        }
        put
    }

    /// Content, owner, mode and times, in the order of `MetadataSetter`. Fails unless the file has all of it then, and
    /// nothing that it inherited from its folder.
    fn fill(&self, file: BorrowedFd, owned: bool) -> io::Result<()> {
        let mut left = self.content;
        while !left.is_empty() {
            match io::retry_on_intr(|| io::write(file, left))? {
                0 => return Err(Errno::IO),
                written => left = &left[written..],
            }
        }
        if owned {
            fchown(file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        }
        let mut names = [0; USUAL_BYTES];
        match flistxattr(file, &mut names[..]) {
            Ok(length) if names[..length].split(|byte| *byte == 0).any(is_inherited) => return Err(Errno::EXIST),
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(errno) => return Err(errno),
        }
        fchmod(file, self.mode)?;
        let time = Timespec { tv_sec: self.seconds, tv_nsec: self.nanoseconds as _ };
        futimens(file, &Timestamps { last_access: time, last_modification: time })?;
        let there = fstat(file)?;
        let apart = (there.st_mtime as f64 - self.seconds as f64) * 1000.0
            + (there.st_mtime_nsec as f64 - self.nanoseconds as f64) / 1e6;
        let has_owner = !owned || (there.st_uid == self.uid && there.st_gid == self.gid);
        let has_mode = there.st_mode & 0o7777 == self.mode.as_raw_mode();
        if has_owner && has_mode && apart.abs() <= COARSEST_TIME_MS {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }
}

/// What a folder's default ACL gives, and what would be taken away again; a label of the system stays.
fn is_inherited(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_") || name == b"security.capability"
}

/// A name of one entry of a folder.
fn is_entry(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

fn close(file: OwnedFd) -> io::Result<()> {
    // SAFETY: nobody else has the descriptor.
    unsafe { io::try_close(file.into_raw_fd()) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

    use super::*;

    /// What describes two files of a folder, the second with that name.
    fn two_files(folder: &File, second: &[u8]) -> (Vec<f64>, Vec<u8>) {
        let (mut fields, mut bytes) = (Vec::new(), Vec::new());
        for (part, name, content) in [(&b"p1"[..], &b"first"[..], &b"content"[..]), (b"p2", second, b"")] {
            let lengths = [part, name, content].map(|one| one.len() as f64);
            fields.push(folder.as_raw_fd() as f64);
            fields.extend(lengths);
            fields.extend([0o640 as f64, 0.0, 0.0, -2.0, 999_999_999.0]);
            bytes.extend([part, name, content].concat());
        }
        (fields, bytes)
    }

    #[test]
    fn files_are_put_with_mode_and_time_until_one_cannot_be_of_which_nothing_is_left() {
        let root = std::env::temp_dir().join(format!("tapeflow-files-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        symlink("/nowhere", root.join("link")).unwrap();
        let folder = File::open(&root).unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let (fields, bytes) = two_files(&folder, b"bad-\xff");
        assert_eq!(write_each(&fields, &bytes, false, false), 2);
        let metadata = fs::metadata(root.join("first")).unwrap();
        assert_eq!(fs::read(root.join("first")).unwrap(), b"content");
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (-2, 999_999_999));
        assert_eq!(names().len(), 3);

        // Something has the name.
        assert_eq!(write_each(&fields, &bytes, false, false), 0);
        assert_eq!(write_each(&fields, &bytes, false, true), 2);
        for bad in [&b"link"[..], b"", b".", b"..", b"../out", b"a/b", b"a\0b"] {
            fs::remove_file(root.join("first")).unwrap();
            let (fields, bytes) = two_files(&folder, bad);
            assert_eq!(write_each(&fields, &bytes, false, false), 1, "{bad:?}");
            assert_eq!(names().len(), 3, "{bad:?}");
        }
        // Too few bytes, and a folder that is none.
        assert_eq!(write_each(&fields, &bytes[..3], false, true), 0);
        let mut closed = fields.clone();
        closed[0] = -1.0;
        assert_eq!(write_each(&closed, &bytes, false, true), 0);
        fs::remove_dir_all(&root).unwrap();
    }
}
