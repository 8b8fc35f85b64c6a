import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hostName } from '../../entry/host-path.js';

/** What a data folder knows of the machine that it is on. */
export interface ThisHost {
  /** The host's name. */
  name: string;
  /** Random, made with the data folder: two machines of one name have two. */
  id: string;
}

/** The file of the data folder that keeps them. */
export function thisHostFile(dataDir: string): string {
  return path.join(dataDir, 'this-host.json');
}

/** What that file says; undefined when there is none, or when it cannot be read. */
export function readThisHost(dataDir: string): ThisHost | undefined {
  try {
    const { name, id } = JSON.parse(readFileSync(thisHostFile(dataDir), 'utf8')) as Partial<ThisHost>;
    if (typeof name === 'string' && hostName.test(name) && typeof id === 'string') return { name, id };
  } catch {
    // The first worker makes it.
  }
  return undefined;
}

/**
 * The name of a host whose settings give none: the one that its data folder has kept, since a machine's may change (a
 * laptop in another network, a container that is made again); at first the machine's.
 */
export function defaultHostName(dataDir: string): string {
  return readThisHost(dataDir)?.name ?? machineName(os.hostname());
}

/** A machine's name as a host's: other characters become hyphens. */
export function machineName(name: string): string {
  const plain = name
    .replace(/[^A-Za-z0-9.-]/g, '-')
    .slice(0, 64)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  return plain === '' ? 'host' : plain;
}
