import { constants } from 'node:fs';

/**
 * Flags to read what somebody else may have put in a file's place: a symbolic link is not followed, and opening a pipe
 * or a device does not block. Whoever opens with them checks that it is a regular file.
 */
export const readUnfollowed = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Linux's `O_PATH` (asm-generic/fcntl.h): a place in the tree or a file itself, which is not opened; it needs no right
 * to read or list it.
 */
export const pathOnly = 0o10000000;
