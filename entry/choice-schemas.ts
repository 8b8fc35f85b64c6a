// What a restore was asked for, as it is kept as JSON. Apart from the types: a thread that unpacks needs no zod, which
// takes 55 ms to load.
import { z } from 'zod';
import type { OwnerChoice } from './owner-choice.js';
import type { Selection } from './selection.js';

const id = z.number().int().min(0);

const idMap = z.array(z.tuple([id.nullable(), id]));

export const ownerChoiceSchema: z.ZodType<OwnerChoice> = z.object({
  set: z.boolean(),
  users: idMap.default([]),
  groups: idMap.default([]),
});

export const selectionSchema: z.ZodType<Selection> = z.object({
  names: z.array(z.string()).default([]),
  globs: z.array(z.string()).default([]),
  list: z.string().optional(),
  strip: z.number().int().min(0).optional(),
});
