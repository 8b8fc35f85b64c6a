import { parentPort, workerData } from 'node:worker_threads';
import { fencedBy } from '../catalog/sqlite/fence.js';
import { openCatalog } from '../catalog/open-catalog.js';
import type { Holding } from '../catalog/sets/holdings.js';
import { tallyOf } from '../catalog/sets/scan-state.js';
import { listOf } from '../catalog/sets/set-lists.js';
import { setNamed } from '../catalog/sets/sets.js';
import { toErrorData } from '../config/thread-errors.js';
import { ThreadWatch } from '../disk/thread-watch.js';
import { missingAttributesReason } from '../native/addon.js';
import { requireNotGivenUp } from './given-up.js';
import { GroupPlanner } from './group-planner.js';
import type { ScanJob, ScanMessage } from './scan.js';
import { addTo } from './shrunk.js';
import { soundSources } from './sound-sources.js';
import { leftOutText, leftOutTexts } from './taken/left-out-texts.js';
import { unpackNames } from './taken/listed-paths.js';
import { walk } from './walk.js';
import { sameThreadWriter } from '../catalog/files/write-batch.js';
import { english } from '../messages/sentence.js';
import { BaseReader } from './read-base-in-thread.js';
import { ThreadWriter } from './write-in-thread.js';

/** Entries between two checks of the stop flag. */
const entriesPerLook = 500;
/** Milliseconds between two reports. */
const reportEveryMs = 200;
/** Milliseconds after which an incomplete batch is committed, so that slow disks show progress and lose little. */
const flushEveryMs = 1000;

const report = (message: ScanMessage) => parentPort?.postMessage(message);

async function run(job: ScanJob): Promise<void> {
  const watch = new ThreadWatch(job.watch);
  const fence = fencedBy(() => requireNotGivenUp(watch));
  const catalog = (await openCatalog(job.catalogFile)).withPlugin(fence);
  const writer = new ThreadWriter(job.catalogFile, sameThreadWriter(catalog), undefined, watch);
  const reader = new BaseReader(job.catalogFile);
  try {
    const set = await setNamed(catalog, job.setId);
    const sounded = set.allow_shrunk === 1 ? 'enough' : await soundSources(catalog, set, job, watch);
    if (sounded !== 'enough') {
      report(sounded === 'stopped' ? { stopped: true } : { shrunk: sounded });
      return;
    }
    const holdings: Holding[] = job.sources.map(() => ({ files: 0, bytes: 0 }));
    let holding: Holding | undefined;
    const tally = tallyOf(set);
    const paths = await listOf(catalog, job.setId);
    const listed = paths === undefined ? undefined : unpackNames(paths);
    // The list itself is no entry of the set.
    const listFile = job.options?.list?.file;
    const sources = job.sources.filter((source) => source !== listFile);
    const parts = { writer, tally, ahead: reader };
    const { planner, after } = await GroupPlanner.resume(catalog, job.setId, job.limits, parts);
    const entries = walk({
      ...job,
      sources,
      ...(listed === undefined ? {} : { listed }),
      tally,
      after,
      onLeftOut: (path, why) => tally.leftOut.push(leftOutText(path, why)),
      onSource: (source) => {
        const place = job.sources.indexOf(sources[source] ?? listFile ?? '');
        watch.reads(place);
        // What is listed is no source that could be compared.
        holding = sources[source] === undefined ? undefined : holdings[place];
      },
    });
    let entriesSeen = 0;
    let flushed = performance.now();
    let reported = flushed;
    for (const entry of entries) {
      watch.moved();
      if (watch.order === 'given up') return;
      if (holding !== undefined) addTo(holding, entry);
      const written = planner.add(entry);
      if (written !== undefined) await watch.resting(written);
      if (++entriesSeen % entriesPerLook !== 0) continue;
      const now = performance.now();
      if (now - reported > reportEveryMs) {
        report({ progress: { ...planner.counted } });
        reported = now;
      }
      if (now - flushed > flushEveryMs) {
        await watch.resting(planner.flush());
        flushed = performance.now();
      }
      if (watch.order === 'stop') {
        await watch.resting(planner.flush());
        report({ stopped: true });
        return;
      }
    }
    watch.rests();
    const noAttributes = missingAttributesReason();
    const leftOut = leftOutTexts(tally);
    if (noAttributes !== undefined)
      leftOut.push(english`extended attributes, ACLs and capabilities of all entries (${noAttributes})`);
    await planner.finish(leftOut, after === undefined ? holdings : undefined);
    report({ progress: { ...planner.counted }, done: true });
  } finally {
    await writer.close();
    await reader.close();
    await catalog.destroy();
  }
}

try {
  await run(workerData as ScanJob);
} catch (error) {
  report({ failed: toErrorData(error) });
}
