import type { SetRow } from '../../catalog/rows.js';
import type { Frame } from './frame.js';
import { Command, Hidden } from './layout.js';

/** What can be told to a set that has ended. */
export function EndedSetCommands({ set: { id, state }, frame }: { set: SetRow; frame: Frame }) {
  if (frame.isReadOnly || state === 'expired') return <></>;
  const mayRetry = state === 'failed' || state === 'cancelled' || state === 'completed_with_skips';
  const mayDiscard = state === 'failed' || state === 'cancelled';
  return (
    <div class="commands">
      {mayRetry ? (
        <Command frame={frame} path="retry" fields={{ set: id }} label="Retry" about={`set ${id}`} />
      ) : (
        ''
      )}
      <Command frame={frame} path="verify" fields={{ subject: id }} label="Verify" about={`set ${id}`} />
      {mayDiscard ? <DiscardForm id={id} frame={frame} /> : ''}
    </div>
  );
}

/** Deletes what a set has in staging: only for somebody who types its name. */
function DiscardForm({ id, frame }: { id: string; frame: Frame }) {
  return (
    <details id="discard">
      <summary>Delete what is staged</summary>
      <form method="post" action={`${frame.base}actions/discard`}>
        <Hidden frame={frame} />
        <input type="hidden" name="set" value={id} />
        <p>
          What of this set is in staging, and not on tape yet, is deleted. `retry` cannot go on with it then.
        </p>
        <label>
          Type the set’s name, {id}, to delete it: <input name="name" required autocomplete="off" />
        </label>
        <button class="danger">Delete</button>
      </form>
    </details>
  );
}
