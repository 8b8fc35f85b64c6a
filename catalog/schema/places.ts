/**
 * A place says where a folded set's archives have what a row of its root says: the byte where the member's header
 * begins, in blocks of the tar, and one more; 0: the set does not have that row of the root. It has digits to the base
 * 128, since the view `files` reads them too, and a byte of SQLite's is a character.
 */
export const placeDigits = 5;
export const placeBase = 128;

/** Bytes of a block of a tar (POSIX ustar): every member begins at one. */
export const tarBlockBytes = 512;

/** Places in a row of `offsets`: to find one is to count the paths of the root before it there. */
export const placesPerRow = 250;

/** The place of a member by its offset in bytes; undefined when it has none. */
export function placeOf(tarOffset: number): number | undefined {
  const place = tarOffset / tarBlockBytes + 1;
  return Number.isInteger(place) && place < placeBase ** placeDigits ? place : undefined;
}

/** Places as they are stored. */
export function encodePlaces(places: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(places.length * placeDigits);
  for (const [no, place] of places.entries()) {
    let rest = place;
    for (let at = (no + 1) * placeDigits - 1; rest > 0; at -= 1) {
      bytes[at] = rest % placeBase;
      rest = Math.floor(rest / placeBase);
    }
  }
  return bytes;
}

/** The place with that number, from 0. */
export function decodePlace(places: Uint8Array, no: number): number {
  let place = 0;
  for (let at = no * placeDigits; at < (no + 1) * placeDigits; at += 1)
    place = place * placeBase + (places[at] ?? 0);
  return place;
}
