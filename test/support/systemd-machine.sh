#!/bin/bash
# A systemd of its own, in namespaces of its own, on a copy-on-write copy of this machine: everything that it and its
# services write is in the tmpfs on the folder that is given, and gone with it. Run by systemd-machine.ts.
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /dev dev
mount --bind /sys sys
# systemd empties /tmp when it starts.
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t cgroup2 cgroup2 sys/fs/cgroup
: >etc/machine-id
# What this machine has installed does not run there.
for unit in etc/systemd/system/*.wants/*; do rm -f "$unit"; done
for unit in systemd-udevd systemd-udev-trigger systemd-networkd; do
  ln -sf /dev/null "etc/systemd/system/$unit.service"
done
export container=other
exec chroot . /bin/sh -c \
  'mount --make-rshared / 2>/dev/null; exec /lib/systemd/systemd --system --log-target=null --show-status=no --unit=multi-user.target'
