import { localCases, type UserCase } from './other-user.js';
import { portCases } from './port-cases.js';

/** What other users try on the machine, and at the port of the server. */
export const userCases: readonly UserCase[] = [...localCases, ...portCases];
