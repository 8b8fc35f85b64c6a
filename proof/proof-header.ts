import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { headerText, proofHeader, type ProofHeader } from './message-proof.js';

/** The header of a message with its proof. */
export function headerOf(header: ProofHeader): Headers {
  return { [proofHeader]: defaultPayloadConverter.toPayload(headerText(header)) };
}
