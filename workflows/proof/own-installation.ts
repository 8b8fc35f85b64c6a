import { queuesOf } from '../queues.js';

/**
 * The key of the installation in hexadecimal digits: a worker puts it here, in its copy of the bundle, in the place of
 * these letters. Workflow code has no other way to know something that no history may hold.
 */
export const installationKey = 'TAPEFLOW-INSTALLATION-KEY-IS-PUT-HERE-BY-THE-WORKER-THAT-RUNS-IT';

/** Short id of the installation that this workflow belongs to; put here in the same way. */
export const ownInstallation = 'TAPEFLOW-INSTALLATION-ID-IS-PUT-HERE-BY-THE-WORKER-THAT-RUNS-IT';

/** The queues of this workflow's installation. */
export const ownQueues = queuesOf(ownInstallation);
