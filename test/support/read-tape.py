#!/usr/bin/env python3
"""Reads a tape's folder without tapeflow: written from docs/format.md alone, with Python's standard library.

    read-tape.py list TAPE               label, sets, archives and members, as JSON
    read-tape.py tree TAPE SET           what the set has: the lines of its names, as JSON
    read-tape.py extract TAPE SET NAME   a file's content on standard output; reads its blocks only

A name that is no UTF-8 is given and shown as Python does it: a byte that fits nowhere is one surrogate.
"""

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zlib

KNOWN = 1
ARCHIVE = re.compile(r"backup_(\d{4}-\d{2}_\d{6})_(\d{6,})(\.tar\.gz|\.tar\.zst|\.tar)")
MANIFEST_ENDING = ".manifest.jsonl.gz"


class Unreadable(Exception):
    pass


def read_json(file, most):
    """A small file; None where there is none."""
    try:
        with open(file, "rb") as stream:
            text = stream.read(most + 1)
    except FileNotFoundError:
        return None
    if len(text) > most:
        raise Unreadable(f"{file} is too long")
    return json.loads(text)


def read_label(tape):
    label = read_json(os.path.join(tape, "tapeflow-label.json"), 64 * 1024)
    if label is not None and label["tapeflowLabel"] != KNOWN:
        raise Unreadable(f"the label has version {label['tapeflowLabel']}")
    return label


def read_end_mark(tape, set_id):
    mark = read_json(os.path.join(tape, set_id, f"backup_{set_id}.end.json"), 4 * 1024 * 1024)
    if mark is None or mark["tapeflow"] != "end" or mark["version"] != KNOWN or mark["set"] != set_id:
        return None
    return mark


def name_in(line, key):
    """The bytes of a name; None where the line has none."""
    if key in line:
        return line[key].encode("utf-8")
    return base64.b64decode(line[key + "Base64"]) if key + "Base64" in line else None


def require_safe(name):
    parts = name.removesuffix(b"/").split(b"/")
    if b"\0" in name or any(part in (b"", b".", b"..") for part in parts):
        raise Unreadable(f"the name {name!r} is not safe")
    return name


def kind_of(line):
    for key in ("tapeflow", "end", "skipped", "kept", "gone", "type"):
        if key in line or (key in ("skipped", "kept", "gone") and key + "Base64" in line):
            return "member" if key == "type" else key
    return None


class Manifest:
    """A manifest; its entries are read again for each loop, since there may be millions."""

    def __init__(self, tape, set_id, group):
        self.folder = os.path.join(tape, set_id)
        self.file = os.path.join(self.folder, f"backup_{set_id}_{group:06}{MANIFEST_ENDING}")
        lines = self.lines()
        self.header = next(lines, {})
        if self.header.get("tapeflow") != "manifest" or self.header["version"] not in (1, 2, 3):
            raise Unreadable(f"{self.file} is no manifest of a known version")
        if (self.header["set"], self.header["group"]) != (set_id, group):
            raise Unreadable(f"{self.file} belongs to another archive")
        self.end = None
        counts = {"member": 0, "skipped": 0, "kept": 0, "gone": 0}
        for line in lines:
            if self.end is not None:
                raise Unreadable(f"{self.file} goes on behind its end")
            kind = kind_of(line)
            if kind == "end":
                self.end = line
            elif kind in counts:
                counts[kind] += 1
        if self.end is None:
            raise Unreadable(f"{self.file} is cut short")
        told = [self.end["members"], self.end["skipped"], self.end.get("kept", 0), self.end.get("gone", 0)]
        if list(counts.values()) != told:
            raise Unreadable(f"{self.file} does not have as many lines as it says")

    def lines(self):
        # Python's gzip reads all members.
        with gzip.open(self.file, "rb") as stream:
            for line in stream:
                yield json.loads(line)

    def entries(self):
        for line in self.lines():
            kind = kind_of(line)
            if kind == "member":
                yield kind, require_safe(name_in(line, "name")), line
            elif kind in ("kept", "skipped", "gone"):
                yield kind, name_in(line, kind), line

    def member(self, wanted):
        for kind, name, line in self.entries():
            if kind == "member" and name == wanted:
                return line
        raise Unreadable(f"{self.file} has no member {wanted!r}")

    def content(self, line):
        """The bytes of a file, by the index: only its blocks are read."""
        begin, end = line["content"], line["content"] + line.get("stored", line["size"])
        size, blocks = self.end["blockBytes"], self.end["blocks"]
        archive = os.path.join(self.folder, self.header["archive"])
        if begin == end:
            return
        first, last = begin // size, (end - 1) // size
        with open(archive, "rb") as stream:
            stream.seek(sum(blocks[:first]))
            for number in range(first, last + 1):
                compressed = stream.read(blocks[number])
                data = decompressed(compressed, archive)
                start = number * size
                if len(data) != min(size, self.end["tarBytes"] - start):
                    raise Unreadable(f"block {number} of {archive} has {len(data)} bytes")
                yield data[max(0, begin - start) : end - start]


def with_holes(parts, size):
    """A file's content from what is stored of one with holes: their map, and the data between them."""
    parts = iter(parts)
    have = b""

    def take(count):
        nonlocal have
        while len(have) < count:
            have += next(parts)
        taken, have = have[:count], have[count:]
        return taken

    text = take(512)
    while text.count(b"\n") < 1 + 2 * int(text.split(b"\n")[0]):
        text += take(512)
    numbers = [int(number) for number in text.split(b"\n")[: 1 + 2 * int(text.split(b"\n")[0])]]
    at = 0
    for begin, count in zip(numbers[1::2], numbers[2::2]):
        yield bytes(begin - at)
        at = begin + count
        for left in range(count, 0, -(1 << 20)):
            yield take(min(left, 1 << 20))
    yield bytes(size - at)


def decompressed(block, archive):
    if archive.endswith(".tar.gz"):
        member = zlib.decompressobj(wbits=31)
        data = member.decompress(block)
        if not member.eof or member.unused_data:
            raise Unreadable(f"a block of {archive} is not one gzip member")
        return data
    if not archive.endswith(".tar.zst"):
        return block
    try:
        from compression import zstd  # from Python 3.14 on
    except ImportError:
        return subprocess.run(["zstd", "-dcq"], input=block, stdout=subprocess.PIPE, check=True).stdout
    return zstd.decompress(block)


def members_by_tar(archive):
    """What an archive holds, where it has no manifest."""
    zstd = None
    if archive.endswith(".tar.zst"):
        zstd = subprocess.Popen(["zstd", "-dcq", archive], stdout=subprocess.PIPE)
        tar = tarfile.open(fileobj=zstd.stdout, mode="r|", errors="surrogateescape")
    else:
        tar = tarfile.open(archive, errors="surrogateescape")
    with tar:
        for entry in tar:
            content = tar.extractfile(entry) if entry.isreg() else None
            hashed = None if content is None else hashlib.sha256(content.read()).hexdigest()
            yield {"name": entry.name + ("/" if entry.isdir() else ""), "sha256": hashed}
    if zstd is not None and zstd.wait() != 0:
        raise Unreadable(f"{archive} is damaged")


def sha256_of(file):
    hashed = hashlib.sha256()
    with open(file, "rb") as stream:
        while chunk := stream.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def read_archive(tape, set_id, group, file):
    archive = os.path.join(tape, set_id, file)
    told = {"archive": file, "group": group}
    try:
        manifest = Manifest(tape, set_id, group)
    except (OSError, EOFError, KeyError, ValueError, zlib.error, Unreadable) as error:
        return {**told, "manifest": str(error), "members": list(members_by_tar(archive))}
    end = manifest.end
    is_whole = (os.path.getsize(archive), sha256_of(archive)) == (end["size"], end["sha256"])
    found = {"member": [], "kept": [], "skipped": [], "gone": []}
    for kind, name, line in manifest.entries():
        entry = {"name": os.fsdecode(name)}
        for key in ("type", "size", "sha256", "set", "group", "reason"):
            if key in line:
                entry[key] = line[key]
        if name_in(line, "target") is not None:
            entry["target"] = os.fsdecode(name_in(line, "target"))
        found[kind].append(entry)
    return {
        **told,
        **{"manifest": "", "whole": is_whole, "blocks": len(end["blocks"])},
        **{"members": found["member"], "kept": found["kept"], "skipped": found["skipped"]},
        **{"gone": found["gone"], "unchanged": end.get("unchanged", 0)},
    }


def archives_of(tape, set_id):
    for file in sorted(os.listdir(os.path.join(tape, set_id))):
        match = ARCHIVE.fullmatch(file)
        if match and match[1] == set_id:
            yield int(match[2]), file


def list_tape(tape):
    sets = {}
    for folder in sorted(os.listdir(tape)):
        if not re.fullmatch(r"\d{4}-\d{2}_\d{6}", folder):
            continue
        archives = [read_archive(tape, folder, group, file) for group, file in archives_of(tape, folder)]
        mark = read_end_mark(tape, folder)
        missing = None
        if mark is not None:
            there = {archive["group"] for archive in archives}
            for first, last in mark["without"]:
                there.update(range(first, last + 1))
            missing = [group for group in range(1, mark["groups"] + 1) if group not in there]
        sets[folder] = {"endMark": mark, "missing": missing, "archives": archives}
    return {"label": read_label(tape), "sets": sets}


def is_file_alone(kind, line):
    """A file that a later set may have unchanged without a line: whole, and with one name."""
    is_file = kind == "kept" or line.get("type") == "file"
    return is_file and line["nlink"] == 1 and not line.get("flags")


def tree_of(tape, set_id, uuid=None):
    """What a set has, by name: the kind and the line of each, and the set and group of the manifest that has it."""
    tree, bases = {}, {}
    for group, _ in archives_of(tape, set_id):
        manifest = Manifest(tape, set_id, group)
        header = manifest.header
        if uuid is not None and header["setUuid"] != uuid:
            raise Unreadable(f"the set {set_id} on this tape is not that with the UUID {uuid}")
        own = {}
        for kind, name, line in manifest.entries():
            # A member that is not whole has a line as skipped, too.
            if kind == "skipped" and name in own:
                own[name] = ("lacking", *own[name][1:])
            else:
                own[name] = (kind, line, set_id, group)
        if header["version"] == 3:
            first, last = name_in(header, "first"), name_in(header, "last")
            base = (header["base"], header["baseUuid"])
            if base not in bases:
                bases[base] = tree_of(tape, *base)
            unchanged = {
                name: entry
                for name, entry in bases[base].items()
                if first <= name <= last and name not in own and is_file_alone(*entry[:2])
            }
            if len(unchanged) != manifest.end["unchanged"]:
                raise Unreadable(f"{manifest.file} tells of other unchanged files than its base has")
            tree.update(unchanged)
        tree.update({name: entry for name, entry in own.items() if entry[0] != "gone"})
    return tree


def print_tree(tape, set_id):
    shown = []
    for name, (kind, line, set_of, group) in sorted(tree_of(tape, set_id).items()):
        hashed = line.get("sha256", line.get("storedSha256"))
        shown.append({"name": os.fsdecode(name), "kind": kind, "set": set_of, "group": group, "sha256": hashed})
    json.dump(shown, sys.stdout)


def extract(tape, set_id, wanted):
    kind, line, set_of, group = tree_of(tape, set_id).get(wanted, ("skipped", None, None, None))
    if kind == "skipped":
        raise Unreadable(f"the set {set_id} has no {wanted!r} on this tape")
    if kind == "kept":
        manifest = Manifest(tape, line["set"], line["group"])
        line = manifest.member(wanted)
    else:
        manifest = Manifest(tape, set_of, group)
    if line["type"] == "link":
        line = manifest.member(name_in(line, "target"))
    if line["type"] != "file":
        raise Unreadable(f"{wanted!r} is no file")
    hashed = hashlib.sha256()

    def stored():
        for part in manifest.content(line):
            hashed.update(part)
            yield part

    for part in with_holes(stored(), line["size"]) if "stored" in line else stored():
        sys.stdout.buffer.write(part)
    if hashed.hexdigest() != line.get("storedSha256", line.get("sha256", hashed.hexdigest())):
        raise Unreadable(f"{wanted!r} has another SHA-256 than the manifest says")


if __name__ == "__main__":
    command, tape, *rest = sys.argv[1:]
    if command == "list":
        json.dump(list_tape(tape), sys.stdout)
    elif command == "tree":
        print_tree(tape, rest[0])
    else:
        extract(tape, rest[0], os.fsencode(rest[1]))
