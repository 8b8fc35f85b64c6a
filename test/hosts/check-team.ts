import { readdirSync } from 'node:fs';
import path from 'node:path';
import { endMarkName } from '../../entry/archive-name.js';
import { checkContents, checkStaging, hashOf, type Problem } from '../support/check-set.js';
import { archivesOn } from '../support/trees.js';
import type { Machine } from './machine.js';
import type { Team } from './team.js';

/** A set that was backed up, and where it came from. */
export interface BackedUp {
  setId: string;
  machine: Machine;
  /** Its only source, as the machine names it. */
  source: string;
}

/** What is wrong with sets that have ended: in the catalog, on the tape, and in staging. */
export async function checkTeam(team: Team, sets: readonly BackedUp[], tape: string): Promise<Problem[]> {
  const problems = await checkCatalog(team);
  for (const set of sets) problems.push(...(await checkOnTape(team, set, tape)));
  for (const name of readdirSync(tape, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.part')) problems.push({ kind: 'unclean', what: `${name} was left on the tape` });
  return [...problems, ...checkStaging({ staging: path.join(team.root, 'shared') })];
}

/** Every group is on tape once, and nothing is held for it any more. */
async function checkCatalog(team: Team): Promise<Problem[]> {
  const problems: Problem[] = [];
  const sets = await team.query<{ id: string; state: string; reason: string | null }>('select * from sets');
  for (const { id, state, reason } of sets)
    if (state !== 'completed')
      problems.push({ kind: 'lost', what: `set ${id} is ${state} (${reason ?? ''})` });
  const groups = await team.query<Record<'archives' | 'copies' | 'commits', number> & Group>(`
    select set_id, no, state, reserved,
      (select count(*)::int from archives a where a.set_id = g.set_id and a.group_no = g.no) as archives,
      (select count(*)::int from copies c where c.set_id = g.set_id and c.group_no = g.no) as copies,
      (select count(*)::int from events e where e.set_id = g.set_id and e.group_no = g.no
        and e.stage = 'committed') as commits
    from groups g order by 1, 2`);
  for (const { set_id: setId, no, state, reserved, ...counts } of groups) {
    const where = `group ${no} of set ${setId}`;
    if (state !== 'released') problems.push({ kind: 'lost', what: `${where} is ${state}` });
    if (Number(reserved) !== 0) problems.push({ kind: 'unclean', what: `${where} holds ${reserved} bytes` });
    for (const [what, count] of Object.entries(counts))
      if (count !== 1)
        problems.push({ kind: count === 0 ? 'lost' : 'doubled', what: `${where} has ${count} ${what}` });
  }
  return problems;
}

interface Group {
  set_id: string;
  no: number;
  state: string;
  reserved: string;
}

interface Archive {
  name: string;
  sha256: string;
  manifest_name: string;
  manifest_sha256: string;
}

/** The set's folder on the tape has what the catalog says and nothing else, and that is what the source has. */
async function checkOnTape(
  team: Team,
  { setId, machine, source }: BackedUp,
  tape: string,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const folder = path.join(tape, setId);
  const wanted = new Map(
    (await team.query<Archive>(`select * from archives where set_id = '${setId}'`)).flatMap((archive) => [
      [archive.name, archive.sha256],
      [archive.manifest_name, archive.manifest_sha256],
    ]),
  );
  const there = readdirSync(folder).filter((name) => name !== endMarkName(setId));
  for (const name of there)
    if (!wanted.has(name)) problems.push({ kind: 'unclean', what: `${name} was left on the tape` });
  for (const [name, sha256] of wanted) {
    if (!there.includes(name)) problems.push({ kind: 'lost', what: `${name} is not on the tape` });
    else if (hashOf(path.join(folder, name)) !== sha256)
      problems.push({ kind: 'wrong bytes', what: `${name} is not what the catalog says` });
  }
  return [
    ...problems,
    ...checkContents(archivesOn(tape, setId), [], new Set(), machine.seenAt(source), source),
  ];
}
