/** Which number becomes which; `null`: every number that no earlier pair names. */
export type IdMap = [from: number | null, to: number][];

/** Whose restored entries become: nobody's but of the user who restores, or whose they were, by other numbers. */
export interface OwnerChoice {
  set: boolean;
  users: IdMap;
  groups: IdMap;
}

/** Owners as they were backed up. */
export const ownersAsBackedUp: OwnerChoice = { set: true, users: [], groups: [] };

/** No owner is set (`--no-owner`). */
export const noOwners: OwnerChoice = { set: false, users: [], groups: [] };

/** The number that takes a number's place; the first pair that fits counts. */
export function mappedId(map: IdMap, from: number): number {
  for (const [of, to] of map) if (of === null || of === from) return to;
  return from;
}
