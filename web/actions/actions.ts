import { describeError, TapeflowFailure } from '../../config/failures.js';
import { catalogFailure } from '../../catalog/catalog-failure.js';
import { shown } from '../../messages/shown.js';

/** A command that was given on the page. */
export interface Action {
  no: number;
  /** What was asked for, such as `Pause set 2026-11_000001`. */
  what: string;
  state: 'running' | 'done' | 'failed';
  /** What it has said. */
  lines: string[];
  /** Milliseconds since 1970. */
  at: number;
}

/** Commands that are remembered, for whoever looks at the page. */
const remembered = 6;
/** Lines that are kept of one: so many of its first ones, and of its last ones. */
const [firstLines, lastLines] = [150, 20];
/** Milliseconds for which a form waits for its command, before the page shows that it is under way. */
const patienceMs = 1500;

/**
 * The commands that were given on this page since it is served, newest first. They are only shown from here: what they
 * have begun is in the catalog and at the server, like that of any command, and goes on without the page.
 */
export class Actions {
  private readonly known: Action[] = [];
  private count = 0;

  get all(): readonly Action[] {
    return this.known;
  }

  /**
   * Runs a command. Resolves when it has ended, or takes long.
   *
   * @param run gets what notes each line that it says.
   */
  async begin(what: string, run: (tell: (line: string) => void) => Promise<void>): Promise<Action> {
    this.count += 1;
    const action: Action = { no: this.count, what, state: 'running', lines: [], at: Date.now() };
    this.known.unshift(action);
    this.known.splice(remembered);
    const tell = (line: string) => {
      action.lines.push(line);
      if (action.lines.length > firstLines + lastLines) action.lines.splice(firstLines, 2, '…');
    };
    const ended = run(tell).then(
      () => {
        action.state = 'done';
      },
      (error: unknown) => {
        const failure = catalogFailure(error);
        tell(shown(failure instanceof TapeflowFailure ? failure.sentence : describeError(failure)));
        action.state = 'failed';
      },
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)));
    await Promise.race([ended, late]);
    clearTimeout(timer);
    return action;
  }

  /** Shows one no more; one that runs goes on, and is shown when it has ended. */
  dismiss(no: number): void {
    const at = this.known.findIndex((action) => action.no === no && action.state !== 'running');
    if (at >= 0) this.known.splice(at, 1);
  }
}
