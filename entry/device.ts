/** The numbers of a character or block device. */
export type DeviceNumbers = readonly [major: number, minor: number];

/**
 * Takes the number apart that `lstat` has for a device. Linux: 12 bits of the major and 8 of the minor number, then the
 * higher bits of both (glibc's `sys/sysmacros.h`); macOS and BSD: 8 bits above 24 (`sys/types.h`).
 */
export function deviceNumbers(rdev: bigint, platform = process.platform): DeviceNumbers {
  if (platform !== 'linux') return [Number((rdev >> 24n) & 0xffn), Number(rdev & 0xffffffn)];
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return [Number(major), Number(minor)];
}

/** `MAJOR:MINOR`, as the catalog has it and `/sys/dev` names it. */
export function deviceText([major, minor]: DeviceNumbers): string {
  return `${major}:${minor}`;
}

/** The inverse of `deviceText`; undefined for any other text. */
export function deviceOfText(text: string): DeviceNumbers | undefined {
  const [, major, minor] = /^(\d+):(\d+)$/.exec(text) ?? [];
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)];
}
