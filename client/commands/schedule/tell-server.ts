import type { Session } from '../../session.js';
import { atServer, whereServerRuns, withServer, type Server } from '../../server.js';

/** Applies a change of the catalog at the server if one is running; otherwise that happens when it starts. */
export async function tellWhereOneRuns(
  session: Session,
  run: (server: Server) => Promise<unknown>,
): Promise<void> {
  await whereServerRuns(session, (server) => atServer(server, () => run(server)));
}

/** The same with a server, started if necessary. */
export async function tellServer(session: Session, run: (server: Server) => Promise<void>): Promise<void> {
  await withServer(session, (server) => atServer(server, () => run(server)));
}
