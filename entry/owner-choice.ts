import { z } from 'zod';

const id = z.number().int().min(0);

/** Which number becomes which; `null`: every number that no earlier pair names. */
const idMap = z.array(z.tuple([id.nullable(), id]));

/** Whose restored entries become: nobody's but of the user who restores, or whose they were, by other numbers. */
export const ownerChoiceSchema = z.object({
  set: z.boolean(),
  users: idMap.default([]),
  groups: idMap.default([]),
});

export type OwnerChoice = z.output<typeof ownerChoiceSchema>;

/** Owners as they were backed up. */
export const ownersAsBackedUp: OwnerChoice = { set: true, users: [], groups: [] };

/** No owner is set (`--no-owner`). */
export const noOwners: OwnerChoice = { set: false, users: [], groups: [] };

/** The number that takes a number's place; the first pair that fits counts. */
export function mappedId(map: OwnerChoice['users'], from: number): number {
  for (const [of, to] of map) if (of === null || of === from) return to;
  return from;
}
