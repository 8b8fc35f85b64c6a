/**
 * The key of the installation in hexadecimal digits: a worker puts it here, in its copy of the bundle, in the place of these
 * letters. Workflow code has no other way to know something that no history may hold.
 */
export const installationKey = 'TAPEFLOW-INSTALLATION-KEY-IS-PUT-HERE-BY-THE-WORKER-THAT-RUNS-IT';
