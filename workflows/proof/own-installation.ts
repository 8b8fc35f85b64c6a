import { queuesOf } from '../queues.js';

/**
 * The installation's key in hexadecimal: a worker puts it here, in its copy of the bundle, in place of this text.
 * Workflow code has no other way to know something that must not be in any history.
 */
export const installationKey = 'TAPEFLOW-INSTALLATION-KEY-IS-PUT-HERE-BY-THE-WORKER-THAT-RUNS-IT';

/** Short id of the installation that this workflow belongs to; inserted in the same way. */
export const ownInstallation = 'TAPEFLOW-INSTALLATION-ID-IS-PUT-HERE-BY-THE-WORKER-THAT-RUNS-IT';

/** The queues of this workflow's installation. */
export const ownQueues = queuesOf(ownInstallation);
