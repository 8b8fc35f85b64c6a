import type { Session } from '../../session.js';
import { atServer, whereServerRuns, withServer, type Server } from '../../server.js';

/** Tells the server what the catalog says already, where one runs; else it is told when it does. */
export async function tellWhereOneRuns(
  session: Session,
  run: (server: Server) => Promise<unknown>,
): Promise<void> {
  await whereServerRuns(session, (server) => atServer(server, () => run(server)));
}

/** The same with a server that is started where none runs. */
export async function tellServer(session: Session, run: (server: Server) => Promise<void>): Promise<void> {
  await withServer(session, (server) => atServer(server, () => run(server)));
}
