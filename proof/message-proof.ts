import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** The header of a message that carries its proof. */
export const proofHeader = 'tapeflow-proof';
/** Type of the failure of a workflow or step that was asked for without a valid proof. */
export const noProof = 'NoProof';

/** What can be proven, each bound to the place where it counts, so that it cannot be used anywhere else. */
export interface Provable {
  /**
   * The start of a workflow by a command. It counts once: `once` is claimed in the catalog. `at`: milliseconds since
   * 1970.
   */
  command: { workflowId: string; workflowType: string; taskQueue: string; at: number; once: string };
  /** A run of a schedule; the server appends the time when it was due to the id. */
  schedule: { workflowId: string; workflowType: string; taskQueue: string };
  /** The start of a workflow by another one; it also counts once. */
  child: {
    parent: { workflowId: string; runId: string };
    workflowId: string;
    workflowType: string;
    taskQueue: string;
    at: number;
    once: string;
  };
  /** The next run of a workflow, by the one before. */
  next: { workflowId: string; runBefore: string; workflowType: string; taskQueue: string };
  /** An update of one run; `once` is its id, which the server takes once in a run. */
  update: { workflowId: string; runId: string; name: string; once: string };
  /** A step that a run asks for. */
  step: Step & { taskQueue: string };
  /** Its answer, or its failure. */
  answer: Step;
  failure: Step & { failureType: string };
}

/** One activity of a run. */
export interface Step {
  workflowId: string;
  runId: string;
  activityId: string;
  activityType: string;
}

const encoder = new TextEncoder();
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Makes and checks proofs with the key of one installation: 43 letters, an HMAC-SHA-256 as base64url. */
export class Prover {
  private readonly key: Uint8Array;

  /** @param key hexadecimal digits. */
  constructor(key: string) {
    this.key = Uint8Array.from(key.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  }

  /** @param content the message's arguments or result: must be JSON, since that is how it is sent. */
  prove<Kind extends keyof Provable>(kind: Kind, place: Provable[Kind], content: unknown): string {
    // With sorted keys: both sides name the same fields.
    const fields = JSON.stringify(place, keysOf(place));
    const text = JSON.stringify(['tapeflow 1', kind, fields, content]);
    return base64url(hmac(sha256, this.key, encoder.encode(text)));
  }

  /** True if the proof is for exactly this content. */
  isProof<Kind extends keyof Provable>(
    proof: string,
    kind: Kind,
    place: Provable[Kind],
    content: unknown,
  ): boolean {
    const wanted = this.prove(kind, place, content);
    if (proof.length !== wanted.length) return false;
    let different = 0;
    for (let i = 0; i < wanted.length; i += 1) different |= proof.charCodeAt(i) ^ wanted.charCodeAt(i);
    return different === 0;
  }
}

function keysOf(place: object): string[] {
  const nested = Object.values(place).flatMap((value: unknown) =>
    typeof value === 'object' && value !== null ? Object.keys(value) : [],
  );
  return [...new Set([...Object.keys(place), ...nested])].sort();
}

function base64url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const three = [0, 1, 2].map((i) => bytes[at + i] ?? 0) as [number, number, number];
    const bits = (three[0] << 16) | (three[1] << 8) | three[2];
    const letters = Math.min(4, bytes.length - at + 1);
    for (let i = 0; i < letters; i += 1) text += digits[(bits >> (18 - 6 * i)) & 63];
  }
  return text;
}

/**
 * Contents of the header: the kind of the proof, what makes it count once where that is not known otherwise, and the
 * proof itself.
 */
export interface ProofHeader {
  kind: keyof Provable;
  proof: string;
  at?: number;
  once?: string;
}

/** The header's text. A step has the proof alone, since there are many. */
export function headerText({ kind, proof, at, once }: ProofHeader): string {
  if (kind === 'step') return proof;
  return [kind, proof, at ?? '', once ?? ''].join(' ').trimEnd();
}

/** What a header's text says; nothing in it is trusted before the proof is checked. */
export function readHeader(text: unknown): ProofHeader | undefined {
  if (typeof text !== 'string') return undefined;
  if (!text.includes(' ')) return { kind: 'step', proof: text };
  const [kind = '', proof = '', at = '', once = ''] = text.split(' ');
  return { kind: kind as keyof Provable, proof, ...(at === '' ? {} : { at: Number(at) }), once };
}
