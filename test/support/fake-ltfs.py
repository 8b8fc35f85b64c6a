#!/usr/bin/env python3
"""Imitation of the LTFS reference implementation (FUSE), for the tests.

    python3 fake-ltfs.py --store DIR --mount DIR [--capacity BYTES] [--name STR] [--read-only] [--speed BYTES [--buffer BYTES]]

Runs in the foreground, prints `ready` once the mount is usable, and ends on SIGTERM, SIGINT or an unmount.

The store is the cartridge. `data/<number>` holds file contents, written straight through; `index.json` is the LTFS index.
The index in memory changes with every operation. It is written only by `setfattr -n user.ltfs.sync -v 1 MOUNT` and by a
clean unmount, and only if something changed; no fsync writes it. After SIGKILL the cartridge is what `index.json` says.

`STORE/faults.json`, re-read whenever it changes (counters start anew then), maps an operation to a fault:

    {"write": {"errno": "EIO", "after_bytes": 1000000, "times": 1, "path": "substring"},
     "short_write": {"max": 1000}, "write_delay_ms": 50}

Operations: write read open create flush fsync fsyncdir release truncate rename unlink mkdir rmdir symlink chmod utimens
statfs getattr getxattr sync. `open` covers creation too, `sync` the index write of an unmount too. Keys of a fault:
  errno        name of the error to return; without it the fault only delays
  times        how often it strikes; missing: always
  path         only for paths (from the root of the volume) that contain this
  after_bytes  write only: strikes the request that would take the bytes written (to such paths) past this
  ranges       read only: strikes requests for any of these bytes of a file, [[from, to], ...], `to` not included
  delay_ms     wait before the operation
  hold         wait for as long as the faults say so: until they are changed
  read_only    turn the volume read-only as well, for good: its lock state is that of a permanent write error, on this mount and
               every later one; 'mounted': until it is unmounted, with a lock state of 0. Default: true for EIO of write

`STORE/ops.log` gets one JSON line per finished modifying operation (and per injected error): op, path, pid of the caller,
t (CLOCK_MONOTONIC, seconds), error if any, and what the operation is about (offset, len, stored, to, size, generation).

Needs mfusepy and libfuse 3.
"""

import argparse
import contextlib
import errno
import fcntl
import json
import os
import stat
import sys
import threading
import time
import unicodedata
import uuid

# Where version 2 is installed as well, mfusepy would take that one.
os.environ.setdefault('FUSE_LIBRARY_NAME', 'fuse3')

from mfusepy import FUSE, Operations, fuse_get_context  # noqa: E402

BLOCK_SIZE = 4096
NAME_MAX = 255  # characters, not bytes
DEFAULT_CAPACITY = 100 * 2**30
FUSE_CAP_AUTO_INVAL_DATA = 1 << 12
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
RENAME_NOREPLACE = 1
UNLOCKED = '0x00000000'  # volumeLockState, in the form that the reference implementation gives it
PHYSICAL_WP = '0x00000004'
PERM_WRITE_ERROR_DP = '0x00000060'


def fail(code):
    """Raise the OSError for an errno number."""
    raise OSError(code, os.strerror(code))


class Children(dict):
    """The entries of a directory by name; with --fold, names that differ in case or normal form only are one."""

    fold = False

    def key(self, name):
        return unicodedata.normalize('NFC', name).casefold() if self.fold else name

    def get(self, name):
        return super().get(self.key(name))

    def __contains__(self, name):
        return super().__contains__(self.key(name))

    def __setitem__(self, name, node):
        super().__setitem__(self.key(name), node)

    def __delitem__(self, name):
        super().__delitem__(self.key(name))


class Node:
    """A file, directory or symbolic link of the index."""

    def __init__(self, kind, uid, name, parent, **known):
        self.kind, self.uid, self.name, self.parent = kind, uid, name, parent
        self.mtime = self.ctime = time.time_ns()
        self.readonly = False
        self.children = Children()  # directory: name -> Node
        self.target = ''  # symbolic link
        self.size, self.data = 0, None  # file: its bytes are in data/<data>
        self.indexed = 0  # so many first bytes of `data` belong to the index on tape and must stay as they are
        self.fd, self.opens = None, 0  # one descriptor for all handles
        self.__dict__.update(known)

    @property
    def path(self):
        """Path from the root of the volume (the last one, once unlinked)."""
        if self.parent is None:
            return '/'
        return self.parent.path.rstrip('/') + '/' + self.name

    def touch(self):
        """Set the modification time to now."""
        self.mtime = self.ctime = time.time_ns()

    def to_json(self):
        """The index entry, with all entries below it."""
        entry = {key: getattr(self, key) for key in ('kind', 'uid', 'name', 'mtime', 'ctime', 'readonly')}
        if self.kind == 'directory':
            entry['children'] = [child.to_json() for child in self.children.values()]
        elif self.kind == 'symlink':
            entry['target'] = self.target
        else:
            entry.update(size=self.size, data=self.data)
        return entry

    @classmethod
    def from_json(cls, entry, parent=None):
        """The node, with all nodes below it, of an index entry."""
        children = entry.pop('children', [])
        node = cls(parent=parent, **entry)
        node.indexed = node.size
        for child in children:
            node.children[child['name']] = cls.from_json(child, node)
        return node

    def walk(self):
        """This node and all below it."""
        yield self
        for child in self.children.values():
            yield from child.walk()


class Faults:
    """The faults to inject, from a JSON file that the test writes and changes at will."""

    def __init__(self, path):
        self.path, self.signature, self.faults = path, None, {}

    def reload(self):
        """Read the file if it changed; a half-written one counts from when it is whole."""
        try:
            st = os.stat(self.path)
            signature = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
            if signature != self.signature:
                with open(self.path, encoding='utf-8') as file:
                    self.faults = json.load(file)
                self.signature = signature
        except FileNotFoundError:
            self.signature, self.faults = None, {}
        except ValueError:
            pass

    def take(self, op, path, length=0, at=None):
        """The fault that strikes this operation, or an empty one."""
        self.reload()
        fault = self.faults.get(op)
        if not fault or fault.get('path', '') not in path:
            return {}
        if at is not None and 'ranges' in fault:
            if not any(at[0] < to and start < at[0] + at[1] for start, to in fault['ranges']):
                return {}
        if 'after_bytes' in fault and fault.get('_bytes', 0) + length <= fault['after_bytes']:
            fault['_bytes'] = fault.get('_bytes', 0) + length
            return {}
        if 'times' in fault:
            if fault['times'] <= 0:
                return {}
            fault['times'] -= 1
        return fault


class Handle:
    """An open file or directory."""

    def __init__(self, node, writable):
        self.node, self.writable, self.pid = node, writable, fuse_get_context()[2]


class Cartridge(Operations):
    """The volume: its index in memory, the store behind it, and the FUSE operations on it."""

    use_ns = True
    flag_nopath = flag_nullpath_ok = True  # operations on handles get no path: they work after an unlink as well

    def __init__(self, store, capacity=None, name=None, write_protected=False, speed=None, buffer=0):
        self.store, self.write_protected = store, write_protected
        self.speed, self.buffer = speed, buffer
        self.empty_at = 0  # the drive's buffer is on tape at this time of the monotonic clock
        os.makedirs(os.path.join(store, 'data'), exist_ok=True)
        self.in_drive = os.open(os.path.join(store, 'drive.lock'), os.O_CREAT | os.O_RDWR, 0o644)
        fcntl.flock(self.in_drive, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a cartridge is in one drive at a time
        self.index_path = os.path.join(store, 'index.json')
        self.log_fd = os.open(os.path.join(store, 'ops.log'), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        self.faults = Faults(os.path.join(store, 'faults.json'))
        self.mutex = threading.RLock()
        self.handles, self.next_handle = {}, 1
        self.error_path = os.path.join(store, 'permanent-write-error')  # the cartridge's own memory
        self.lock_state = PHYSICAL_WP if write_protected else UNLOCKED
        if os.path.exists(self.error_path):
            self.lock_state = PERM_WRITE_ERROR_DP
        self.read_only = False  # since an error, and only until the unmount
        self.mounted = False
        if not os.path.exists(self.index_path):
            if write_protected:
                sys.exit('fake-ltfs: the cartridge is write protected and not formatted')
            self.format(capacity or DEFAULT_CAPACITY, name or 'FAKE01')
        self.load(capacity)

    # -- index ------------------------------------------------------------------------------------------------------

    def format(self, capacity, name):
        """Make the first index, with a new volume UUID."""
        serial = ''.join(c for c in name.upper() if c.isascii() and c.isalnum())[:6].ljust(6, '0')
        self.index = {'volume_uuid': str(uuid.uuid4()), 'volume_name': name, 'volume_serial': serial,
                      'generation': 0, 'capacity': capacity, 'written': 0, 'next_uid': 2, 'next_data': 1}
        self.root = Node('directory', 1, '', None)
        self.dirty = True
        self.write_index()

    def load(self, capacity=None):
        """Take the tree from index.json; drop data that it does not refer to."""
        with open(self.index_path, encoding='utf-8') as file:
            self.index = json.load(file)
        self.root = Node.from_json(self.index.pop('root'))
        self.index['capacity'] = capacity or self.index['capacity']
        self.dirty = False
        sizes = {str(node.data): node.size for node in self.root.walk() if node.kind == 'file'}
        for number in os.listdir(os.path.join(self.store, 'data')):
            if number not in sizes:
                os.unlink(self.data_path(number))
            elif os.path.getsize(self.data_path(number)) > sizes[number]:
                os.truncate(self.data_path(number), sizes[number])

    def write_index(self):
        """Write the index if anything changed, one generation on; return the generation."""
        if self.dirty:
            index = {**self.index, 'generation': self.index['generation'] + 1, 'root': self.root.to_json()}
            with open(self.index_path + '.tmp', 'w', encoding='utf-8') as file:
                json.dump(index, file)
            os.replace(self.index_path + '.tmp', self.index_path)
            self.index['generation'] = index['generation']
            self.dirty = False
            for node in self.root.walk():
                node.indexed = node.size
        return self.index['generation']

    def unmounted(self):
        """Write the index at a clean unmount; after a write error it stays as it was."""
        with self.operation('unmount', '/') as entry:
            if self.dirty and not self.takes_no_writes():
                self.inject('sync', '/')
                self.write_index()
            entry['generation'] = self.index['generation']

    def number(self, what):
        """A number not used before for 'uid' or 'data'."""
        self.index['next_' + what] += 1
        return self.index['next_' + what] - 1

    def takes_no_writes(self):
        """The volume is read-only."""
        return self.write_protected or self.read_only or self.lock_state != UNLOCKED

    # -- helpers ----------------------------------------------------------------------------------------------------

    def inject(self, op, path, length=0, at=None):
        """Strike with the fault for this operation, if there is one."""
        with self.mutex:
            fault = self.faults.take(op, path, length, at)
        if 'delay_ms' in fault:
            time.sleep(fault['delay_ms'] / 1000)
        if fault.get('hold'):
            self.wait_while_held(op)
        if 'errno' in fault:
            read_only = fault.get('read_only', op == 'write' and fault['errno'] == 'EIO')
            if read_only == 'mounted':
                self.read_only = True
            elif read_only:
                self.lock_state = PERM_WRITE_ERROR_DP
                open(self.error_path, 'w', encoding='utf-8').close()
            error = OSError(getattr(errno, fault['errno']), 'injected')
            error.injected = True
            raise error

    def wait_while_held(self, op):
        """Wait until the faults hold this operation no more; a file in the store says that one waits."""
        open(os.path.join(self.store, 'held'), 'w', encoding='utf-8').close()
        while self.faults.faults.get(op, {}).get('hold'):
            time.sleep(0.02)
            with self.mutex:
                self.faults.reload()

    @contextlib.contextmanager
    def operation(self, op, path, modifies=False, logged=True, handle=None, length=0, **about):
        """Frame of an operation: read-only volume, faults (before the lock is taken), lock, log."""
        entry = {'op': op, 'path': path, 'pid': fuse_get_context()[2] if self.mounted else 0, **about}
        entry['pid'] = entry['pid'] or (handle.pid if handle else 0)
        try:
            if modifies and self.takes_no_writes():
                fail(errno.EROFS)
            if op == 'create':
                self.inject('open', path)
            self.inject(op, path, length, (about['offset'], about['len']) if op == 'read' else None)
            with self.mutex:
                yield entry
                self.dirty = self.dirty or (modifies and op not in ('sync', 'fsync', 'fsyncdir', 'open'))
        except OSError as error:
            entry['error'] = errno.errorcode.get(error.errno, str(error.errno))
            logged = logged or getattr(error, 'injected', False)
            raise
        finally:
            if logged:
                entry['t'] = time.monotonic()
                os.write(self.log_fd, json.dumps(entry).encode() + b'\n')

    def stream(self, length):
        """Take bytes into the drive's buffer, which goes to tape at the drive's speed. Time with an empty one is lost."""
        if self.speed:
            self.empty_at = max(self.empty_at, time.monotonic()) + length / self.speed
            self.wait_until(self.empty_at - self.buffer / self.speed)

    def wait_until(self, then):
        """Sleep until a time of the monotonic clock."""
        time.sleep(max(0, then - time.monotonic()))

    def data_path(self, number):
        """File in the store with the contents `number`."""
        return os.path.join(self.store, 'data', str(number))

    def names(self, path):
        """The components of a path, checked, as NFC."""
        try:
            path.encode()
        except UnicodeEncodeError:
            fail(errno.EINVAL)
        names = [name for name in unicodedata.normalize('NFC', path).split('/') if name]
        if any(len(name) > NAME_MAX for name in names):
            fail(errno.ENAMETOOLONG)
        return names

    def node(self, path, fi=None):
        """The node of a handle or else of a path."""
        if fi is not None and fi.fh in self.handles:
            return self.handles[fi.fh].node
        node = self.root
        for name in self.names(path):
            if node.kind != 'directory':
                fail(errno.ENOTDIR)
            node = node.children.get(name) or fail(errno.ENOENT)
        return node

    def parent(self, path):
        """The directory of a path, to be changed, and the last name of the path."""
        *above, name = self.names(path) or fail(errno.EBUSY)
        directory = self.node('/'.join(above))
        if directory.kind != 'directory':
            fail(errno.ENOTDIR)
        if directory.readonly:
            fail(errno.EACCES)
        return directory, name

    def add(self, path, kind, mode=0o777, **known):
        """A new node at a path."""
        directory, name = self.parent(path)
        if name in directory.children:
            fail(errno.EEXIST)
        node = Node(kind, self.number('uid'), name, directory, readonly=not mode & 0o222, **known)
        directory.children[name] = node
        directory.touch()
        return node

    def remove(self, path, directory_wanted):
        """Take the node at a path out of the tree. Its data stays: the index on tape may refer to it."""
        directory, name = self.parent(path)
        node = self.node(path)
        if directory_wanted and node.kind != 'directory':
            fail(errno.ENOTDIR)
        if not directory_wanted and node.kind == 'directory':
            fail(errno.EISDIR)
        if node.children:
            fail(errno.ENOTEMPTY)
        del directory.children[name]
        directory.touch()

    def open_handle(self, node, fi, writable):
        """Enter a handle into the table; the page cache of the kernel outlives it."""
        if node.kind == 'file' and node.fd is None:
            node.fd = os.open(self.data_path(node.data), os.O_RDWR | os.O_CREAT, 0o644)
        node.opens += 1
        handle, self.next_handle = self.next_handle, self.next_handle + 1
        self.handles[handle] = Handle(node, writable)
        if fi is not None:
            fi.fh, fi.keep_cache = handle, 1
        return handle

    def keep_indexed(self, node, offset, keep):
        """Before bytes from `offset` on change: leave those that the index on tape refers to, go on in a copy."""
        if offset >= node.indexed:
            return
        number = self.number('data')
        with open(self.data_path(node.data), 'rb') as old, open(self.data_path(number), 'wb') as new:
            done = 0
            while done < keep and (sent := os.sendfile(new.fileno(), old.fileno(), done, keep - done)):
                done += sent
        node.data, node.indexed = number, 0
        if node.fd is not None:
            fd = os.open(self.data_path(number), os.O_RDWR)
            os.dup2(fd, node.fd)
            os.close(fd)

    def set_size(self, node, length):
        """Truncate or extend a file."""
        self.keep_indexed(node, length, min(length, node.size))
        os.truncate(self.data_path(node.data), length)
        node.size = length
        node.touch()

    # -- FUSE: the volume -------------------------------------------------------------------------------------------

    def init_with_config(self, conn_info, config_3):
        """The mount is usable: say so."""
        conn_info.want &= ~FUSE_CAP_AUTO_INVAL_DATA  # what was written is read back from the page cache
        config_3.hard_remove = config_3.use_ino = config_3.nullpath_ok = 1
        self.mounted = True
        print('ready', flush=True)

    def statfs(self, path):
        with self.operation('statfs', path, logged=False):
            free = max(0, self.index['capacity'] - self.index['written']) // BLOCK_SIZE
            return {'f_bsize': BLOCK_SIZE, 'f_frsize': BLOCK_SIZE, 'f_blocks': self.index['capacity'] // BLOCK_SIZE,
                    'f_bfree': free, 'f_bavail': free, 'f_namemax': NAME_MAX}

    def attributes(self):
        """The extended attributes of the root."""
        return {'user.ltfs.volumeUUID': self.index['volume_uuid'],
                'user.ltfs.volumeName': self.index['volume_name'],
                'user.ltfs.volumeSerial': self.index['volume_serial'],
                'user.ltfs.indexGeneration': str(self.index['generation']),
                'user.ltfs.volumeLockState': self.lock_state,
                'user.ltfs.mediaStorageAlert': '0x0000000000000000',
                'user.ltfs.sync': ''}

    def listxattr(self, path):
        return list(self.attributes()) if path == '/' else []

    def getxattr(self, path, name, position=0):
        if not name.startswith('user.ltfs.'):
            fail(errno.ENODATA)
        with self.operation('getxattr', path, logged=False):
            value = self.attributes().get(name) if path == '/' else None
            return fail(errno.ENODATA) if value is None else value.encode()

    def setxattr(self, path, name, value, options, position=0):
        if name != 'user.ltfs.sync':
            fail(errno.ENOTSUP)
        if path != '/':
            fail(errno.ENODATA)
        with self.operation('sync', path, modifies=True) as entry:
            self.wait_until(self.empty_at)
            try:
                entry['generation'] = self.write_index()
            except OSError:
                fail(errno.EIO)

    def removexattr(self, path, name):
        fail(errno.ENODATA)

    # -- FUSE: the tree ---------------------------------------------------------------------------------------------

    def getattr(self, path, fh=None):
        with self.operation('getattr', path or '', logged=False):
            node = self.node(path, fh)
            kind = {'file': stat.S_IFREG, 'directory': stat.S_IFDIR, 'symlink': stat.S_IFLNK}[node.kind]
            size = len(node.target.encode()) if node.kind == 'symlink' else node.size
            links = 1 if node.kind != 'directory' else 2 + sum(c.kind == 'directory' for c in node.children.values())
            return {'st_mode': kind | (0o555 if node.readonly else 0o777), 'st_ino': node.uid, 'st_nlink': links,
                    'st_uid': os.getuid(), 'st_gid': os.getgid(), 'st_size': size, 'st_blocks': -(-size // 512),
                    'st_atime': node.mtime, 'st_mtime': node.mtime, 'st_ctime': node.ctime}

    def readlink(self, path):
        with self.mutex:
            return self.node(path).target

    def opendir(self, path):
        with self.mutex:
            return self.open_handle(self.node(path), None, False)

    def readdir(self, path, fh):
        with self.mutex:
            node = self.handles[fh].node
            # With inode numbers: libfuse takes them from here (use_ino), and the kernel drops an entry whose number is 0.
            entries = {'.': node, '..': node.parent or node, **{child.name: child for child in node.children.values()}}
            return [(name, {'st_ino': entry.uid}, 0) for name, entry in entries.items()]

    def releasedir(self, path, fh):
        with self.mutex:
            self.handles.pop(fh).node.opens -= 1

    def fsyncdir(self, path, datasync, fh):
        with self.operation('fsyncdir', self.handles[fh].node.path):
            pass

    def mkdir(self, path, mode):
        with self.operation('mkdir', path, modifies=True):
            self.add(path, 'directory', mode)

    def rmdir(self, path):
        with self.operation('rmdir', path, modifies=True):
            self.remove(path, directory_wanted=True)

    def unlink(self, path):
        with self.operation('unlink', path, modifies=True):
            self.remove(path, directory_wanted=False)

    def symlink(self, target, source):
        with self.operation('symlink', target, modifies=True, to=source):
            self.names(source.replace('/', ' ')[:NAME_MAX])  # valid UTF-8
            self.add(target, 'symlink', target=source)

    def link(self, target, source):
        with self.operation('link', target, to=source):
            fail(errno.EPERM)

    def rename(self, old, new, flags=0):
        with self.operation('rename', old, modifies=True, to=new):
            (from_dir, from_name), (to_dir, to_name) = self.parent(old), self.parent(new)
            node, there = self.node(old), to_dir.children.get(to_name)
            if flags & ~RENAME_NOREPLACE:
                fail(errno.EINVAL)
            if there is node:
                return
            if there and flags & RENAME_NOREPLACE:
                fail(errno.EEXIST)
            if there:
                self.remove(new, directory_wanted=node.kind == 'directory')
            del from_dir.children[from_name]
            to_dir.children[to_name] = node
            node.parent, node.name = to_dir, to_name
            from_dir.touch()
            to_dir.touch()

    def chmod(self, path, mode, fi=None):
        with self.operation('chmod', path or '', modifies=True, mode=oct(mode & 0o7777)):
            node = self.node(path, fi)
            node.readonly, node.ctime = not mode & 0o222, time.time_ns()

    def chown(self, path, uid, gid):
        if self.takes_no_writes():
            fail(errno.EROFS)

    def utimens(self, path, mtime, fi=None):
        with self.operation('utimens', path or '', modifies=True):
            node = self.node(path, fi)
            node.ctime = time.time_ns()
            node.mtime = node.mtime if mtime is None else mtime

    # -- FUSE: files ------------------------------------------------------------------------------------------------

    def create(self, path, mode, fi):
        with self.operation('create', path, modifies=True):
            node = self.add(path, 'file', mode, data=self.number('data'))
            self.open_handle(node, fi, writable=True)

    def open(self, path, fi):
        writable = fi.flags & os.O_ACCMODE != os.O_RDONLY
        truncates = bool(fi.flags & os.O_TRUNC)
        with self.operation('open', path, modifies=writable, logged=truncates, truncates=truncates):
            node = self.node(path)
            if writable and node.readonly:
                fail(errno.EACCES)
            if truncates:
                self.set_size(node, 0)
                self.dirty = True
            self.open_handle(node, fi, writable)

    def read(self, path, size, offset, fi):
        node = self.handles[fi.fh].node
        with self.operation('read', node.path, logged=False, offset=offset, len=size):
            return os.pread(node.fd, size, offset)

    def write(self, path, data, offset, fi):
        handle = self.handles[fi.fh]
        node, length = handle.node, len(data)
        self.faults.reload()
        time.sleep(self.faults.faults.get('write_delay_ms', 0) / 1000)
        with self.operation('write', node.path, True, True, handle, length, offset=offset, len=length) as entry:
            room = self.index['capacity'] - self.index['written']
            if room <= 0:
                fail(errno.ENOSPC)
            length = min(length, room, self.faults.take('short_write', node.path).get('max', length))
            self.keep_indexed(node, offset, node.size)
            stored = os.pwrite(node.fd, memoryview(data)[:length], offset)
            self.index['written'] += stored
            node.size = max(node.size, offset + stored)
            node.touch()
            entry['stored'] = stored
        self.stream(stored)
        return stored

    def truncate(self, path, length, fi=None):
        with self.operation('truncate', path or self.node(path, fi).path, modifies=True, size=length):
            node = self.node(path, fi)
            if node.readonly and fi is None:
                fail(errno.EACCES)
            self.set_size(node, length)

    def fsync(self, path, datasync, fi):
        handle = self.handles[fi.fh]
        with self.operation('fsync', handle.node.path, handle.writable, datasync=bool(datasync)):
            pass  # says nothing about the index

    def flush(self, path, fi):
        with self.operation('flush', self.handles[fi.fh].node.path, logged=False):
            pass

    def release(self, path, fi):
        handle = self.handles[fi.fh]
        with self.operation('release', handle.node.path, logged=handle.writable, handle=handle):
            del self.handles[fi.fh]
            handle.node.opens -= 1
            if handle.node.opens == 0:
                os.close(handle.node.fd)
                handle.node.fd = None


class Mount(FUSE):
    """mfusepy's FUSE, with the arguments of libfuse 3 that it leaves out (file handles, flags, UTIME_OMIT)."""

    def rename_fuse_3(self, old, new, flags):
        return self.operations.rename(os.fsdecode(old), os.fsdecode(new), flags)

    def truncate_fuse_3(self, path, length, fip):
        return self.ftruncate(path, length, fip)

    def chmod_fuse_3(self, path, mode, fip):
        return self.operations.chmod(path and os.fsdecode(path), mode, fip.contents if fip else None)

    def utimens_fuse_3(self, path, buf, fip):
        modified = buf.contents.modtime
        mtime = modified.tv_sec * 10**9 + modified.tv_nsec
        if modified.tv_nsec in (UTIME_NOW, UTIME_OMIT):
            mtime = time.time_ns() if modified.tv_nsec == UTIME_NOW else None
        return self.operations.utimens(path and os.fsdecode(path), mtime, fip.contents if fip else None)


def main():
    """Mount the cartridge until a signal or an unmount."""
    parser = argparse.ArgumentParser(description='imitation of LTFS for tests')
    parser.add_argument('--store', required=True, help='directory that is the cartridge; formatted at first use')
    parser.add_argument('--mount', required=True, help='mount point; must exist')
    parser.add_argument('--capacity', type=int, help='bytes; default: that of the cartridge, or 100 GiB')
    parser.add_argument('--name', help='volume name, used when formatting; its first six letters make the serial')
    parser.add_argument('--speed', type=int, help='bytes that the drive takes in a second; default: as many as come')
    parser.add_argument('--buffer', type=int, default=0, help='bytes that the drive takes ahead of that; default: none')
    parser.add_argument('--read-only', action='store_true', help='the cartridge is write protected')
    parser.add_argument('--fold', action='store_true', help='names that differ in case or normal form only are one')
    options = parser.parse_args()
    Children.fold = options.fold
    mount = os.path.abspath(options.mount)
    if not os.path.isdir(mount):
        sys.exit(f'fake-ltfs: {mount} is no usable mount point')
    cartridge = Cartridge(os.path.abspath(options.store), options.capacity, options.name, options.read_only,
                          options.speed, options.buffer)
    try:
        Mount(cartridge, mount, raw_fi=True, foreground=True, fsname='fakeltfs', subtype='ltfs')
    except RuntimeError as error:  # libfuse: 8 after a signal
        if not cartridge.mounted:
            sys.exit(f'fake-ltfs: cannot mount (libfuse: {error})')
    cartridge.mounted = False
    try:
        cartridge.unmounted()
    except OSError as error:
        sys.exit(f'fake-ltfs: index not written at unmount: {error}')


if __name__ == '__main__':
    main()
