//! Where a file has data, and where only holes.

use std::os::fd::BorrowedFd;

use napi_derive::napi;
use rustix::fs::{seek, SeekFrom};
use rustix::io::Errno;

/// Begins and ends of the parts with data of an open file, from a byte on, at most `most` parts; fewer when nothing but
/// a hole follows. Nothing where the system does not tell. Moves the file's position.
#[napi]
pub fn data_extents(fd: i32, from: i64, most: u32) -> Option<Vec<i64>> {
    if fd < 0 || from < 0 {
        return None;
    }
    // SAFETY: the caller has opened it and does not close it before this returns.
    let file = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut found = Vec::new();
    let mut at = from as u64;
    while found.len() / 2 < most as usize {
        // No data follows: ENXIO, which a file that became shorter meanwhile gives for the second, too.
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        let hole = match seek(file, SeekFrom::Hole(data)) {
            Ok(hole) => hole,
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        if hole <= data {
            return None;
        }
        found.extend([data as i64, hole as i64]);
        at = hole;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn parts_with_data_come_in_pages_and_cover_everything_that_was_written() {
        let path = std::env::temp_dir().join(format!("tapeflow-holes-{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        let parts = [1 << 20, 1 << 22, 1 << 24];
        file.set_len(1 << 26).unwrap();
        for at in parts {
            file.write_all_at(&[1; 4096], at).unwrap();
        }
        let fd = file.as_raw_fd();
        let all = data_extents(fd, 0, 100).unwrap();
        assert_eq!(all.len() % 2, 0);
        for at in parts.map(|at| at as i64) {
            assert!(all.chunks(2).any(|part| part[0] <= at && at + 4096 <= part[1]), "{at} in {all:?}");
        }
        // A file system without holes tells one part.
        if file.metadata().unwrap().blocks() * 512 < 1 << 26 {
            assert_eq!(all.len(), 6, "{all:?}");
            assert_eq!(data_extents(fd, 0, 2).unwrap(), all[..4]);
            assert_eq!(data_extents(fd, all[3], 2).unwrap(), all[4..]);
            assert_eq!(data_extents(fd, all[5], 2).unwrap(), []);
        }
        assert_eq!(data_extents(-1, 0, 2), None);
        fs::remove_file(&path).unwrap();
    }
}
