//! Files of an archive that are what the catalog says, many in one call: to make their headers and to hash their contents
//! one by one in JavaScript takes six times as long.

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use sha2::{Digest, Sha256};

/// Numbers that describe a file; `archive/unpack/checked-files.ts` has the same order.
const FIELDS: usize = 8;
/// Bytes of a record of a tar, and of the name in its header.
const RECORD: usize = 512;
const NAME: usize = 100;
/// Bytes of a SHA-256 in hex.
const HEX: usize = 64;

/// How many files, counted from the first, lie in a piece of an archive with the headers that packing makes for a file
/// with a short ASCII name (`archive/tar/plain-header.ts`), and with their contents behind them. What any other is, is
/// for the caller to find in another way.
///
/// `fields`: of each file the place of its headers in `piece`, the bytes of its name, its size, mode, owner, group, and
/// the seconds and nanoseconds of its time. `names`: one behind the other. `hashes`: the SHA-256 of each content in hex,
/// one behind the other.
#[napi]
pub fn check_files(piece: &[u8], fields: Float64Array, names: &[u8], hashes: &[u8]) -> u32 {
    checked(piece, &fields, names, hashes)
}

fn checked(piece: &[u8], fields: &[f64], names: &[u8], hashes: &[u8]) -> u32 {
    let mut rest = names;
    let files = fields.chunks_exact(FIELDS).zip(hashes.chunks_exact(HEX));
    files.take_while(|(fields, hash)| is_as_packed(piece, fields, &mut rest, hash).is_some()).count() as u32
}

/// Takes the name from the front of `names`.
fn is_as_packed(piece: &[u8], fields: &[f64], names: &mut &[u8], hash: &[u8]) -> Option<()> {
    if fields.iter().any(|number| *number < 0.0 || number.fract() != 0.0) {
        return None;
    }
    let [at, name, size, mode, uid, gid, seconds, nanoseconds] = *fields else { return None };
    let (name, behind) = names.split_at_checked(name as usize)?;
    *names = behind;
    let mut rest = piece.get(at as usize..)?;
    if nanoseconds != 0.0 {
        let record = time_record(seconds as u64, nanoseconds as u32);
        let header = header(b'x', b"PaxHeader/tapeflow", record.len() as u64, &[0o644, 0, 0], 0)?;
        rest = rest.strip_prefix(&header)?.strip_prefix(&record[..])?;
        let (padding, behind) = rest.split_at_checked(RECORD - record.len())?;
        rest = padding.iter().all(|byte| *byte == 0).then_some(behind)?;
    }
    let numbers = [mode as u64, uid as u64, gid as u64];
    let content = rest.strip_prefix(&header(b'0', name, size as u64, &numbers, seconds as u64)?)?;
    let digest = Sha256::digest(content.get(..size as usize)?);
    is_hex_of(hash, &digest).then_some(())
}

/// A ustar header; nothing where it has no room for something.
fn header(flag: u8, name: &[u8], size: u64, numbers: &[u64; 3], time: u64) -> Option<[u8; RECORD]> {
    if name.len() >= NAME || name.is_empty() || !name.is_ascii() {
        return None;
    }
    let mut block = [0; RECORD];
    block[..name.len()].copy_from_slice(name);
    for (field, number) in block[100..124].chunks_exact_mut(8).zip(numbers) {
        put_octal(field, *number)?;
    }
    put_octal(&mut block[124..136], size)?;
    put_octal(&mut block[136..148], time)?;
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    put_octal(&mut block[329..337], 0)?;
    put_octal(&mut block[337..345], 0)?;
    block[148..156].fill(b' ');
    let sum = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[148..156], sum)?;
    Some(block)
}

/// As node-tar writes it: with a space and NUL at its end, or a NUL alone where both have no room.
fn put_octal(field: &mut [u8], number: u64) -> Option<()> {
    let end = field.len() - 1;
    let mut digits = end;
    field[end] = 0;
    if number >> (3 * (end - 1)) == 0 {
        digits = end - 1;
        field[digits] = b' ';
    }
    let mut rest = number;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    (rest == 0).then_some(())
}

/// The pax record of a time with a fraction; its length has two digits, whatever the time.
fn time_record(seconds: u64, nanoseconds: u32) -> Vec<u8> {
    let text = format!(" mtime={seconds}.{nanoseconds:09}\n");
    format!("{}{text}", text.len() + 2).into_bytes()
}

fn is_hex_of(hex: &[u8], bytes: &[u8]) -> bool {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pairs = bytes.iter().map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    hex.chunks_exact(2).zip(pairs).all(|(there, own)| there == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH_OF_TEXT: &[u8] = b"982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";

    /// The headers of a file with the content `text`, and what describes it, as if it lay at a place.
    fn file(at: usize, name: &[u8], nanoseconds: u32) -> (Vec<u8>, [f64; FIELDS]) {
        let mut bytes = Vec::new();
        if nanoseconds > 0 {
            let record = time_record(1_700_000_000, nanoseconds);
            bytes.extend(header(b'x', b"PaxHeader/tapeflow", record.len() as u64, &[0o644, 0, 0], 0).unwrap());
            bytes.extend(record);
            bytes.resize(2 * RECORD, 0);
        }
        bytes.extend(header(b'0', name, 4, &[0o640, 0o7777777, 5], 1_700_000_000).unwrap());
        bytes.extend(b"text");
        bytes.resize(bytes.len().next_multiple_of(RECORD), 0);
        let numbers = [at, name.len(), 4, 0o640, 0o7777777, 5, 1_700_000_000, nanoseconds as usize];
        (bytes, numbers.map(|number| number as f64))
    }

    #[test]
    fn files_count_until_one_is_other_than_it_is_said_to_be() {
        let (mut piece, first) = file(0, b"a/1", 0);
        let (more, second) = file(piece.len(), b"a/2", 5);
        piece.extend(more);
        let fields = [first, second].concat();
        let hashes = HASH_OF_TEXT.repeat(2);
        assert_eq!(&piece[100..124], b"000640 \x007777777\x00000005 \x00");
        assert_eq!(&piece[3 * RECORD..][..29], b"30 mtime=1700000000.000000005");
        assert_eq!(checked(&piece, &fields, b"a/1a/2", &hashes), 2);
        for other in 0..fields.len() {
            for change in [1.0, 0.5, -1e12] {
                let mut changed = fields.clone();
                changed[other] += change;
                let good = if other < FIELDS { 0 } else { 1 };
                assert_eq!(checked(&piece, &changed, b"a/1a/2", &hashes), good, "{other} {change}");
            }
        }
        for other in 0..piece.len() {
            let mut changed = piece.clone();
            changed[other] ^= 1;
            // What fills up the records of contents is not looked at.
            let good = match other {
                0..516 => 0,
                516..1024 | 2564.. => 2,
                _ => 1,
            };
            assert_eq!(checked(&changed, &fields, b"a/1a/2", &hashes), good, "{other}");
        }
        assert_eq!(checked(&piece[..2563], &fields, b"a/1a/2", &hashes), 1);
        assert_eq!(checked(&piece, &fields, b"a/1", &hashes), 1);
        assert_eq!(checked(&piece, &fields, b"a/1a/2", &hashes[1..]), 0);
        assert_eq!(checked(b"", &[], b"", b""), 0);
    }
}
