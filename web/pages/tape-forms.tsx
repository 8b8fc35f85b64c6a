import type { TapeRow } from '../../catalog/rows.js';
import type { Frame } from './frame.js';
import { Command, Hidden } from './layout.js';
import { TypedNameForm } from './typed-name-form.js';

/** Labels the tape in a drive. */
export function LabelForm(props: {
  frame: Frame;
  drives: string[];
  pools: string[];
  chosen: { drive: string; pool: string };
}) {
  const { frame, drives, pools, chosen } = props;
  if (frame.isReadOnly) return <></>;
  return (
    <section id="label">
      <h2>Label the tape in a drive</h2>
      <form method="post" action={`${frame.base}actions/label`} class="fields">
        <Hidden frame={frame} />
        <label>
          Name, as on its sticker{' '}
          <input name="name" required autocomplete="off" pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" />
        </label>
        <label>
          Pool <input name="pool" required value={chosen.pool} list="pools" autocomplete="off" />
        </label>
        <datalist id="pools">
          {pools.map((pool) => (
            <option value={pool}></option>
          ))}
        </datalist>
        <label>
          Drive <DriveChoice drives={drives} chosen={chosen.drive} />
        </label>
        <label class="check">
          <input type="checkbox" name="force" value="yes" /> Also if it is not empty, or has another label;
          nothing on it is erased
        </label>
        <button>Label</button>
      </form>
    </section>
  );
}

function DriveChoice({ drives, chosen }: { drives: string[]; chosen: string }) {
  return (
    <select name="drive">
      {drives.map((name) => (
        <option value={name} selected={name === chosen}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** What can be done with a tape. */
export function TapeCommands({ tape, frame, drives }: { tape: TapeRow; frame: Frame; drives: string[] }) {
  if (frame.isReadOnly) return <></>;
  const { name, state } = tape;
  const fields = { tape: name };
  const about = `tape ${name}`;
  const isOwn = state !== 'foreign';
  return (
    <>
      <div class="commands">
        {state === 'lost' ? (
          ''
        ) : (
          <Command {...{ frame, about }} path="verify" fields={{ subject: name }} label="Verify" />
        )}
        {state === 'suspect' || state === 'full' ? (
          <Command {...{ frame, fields, about }} path="trust" label="Trust it again" />
        ) : (
          ''
        )}
        {state === 'lost' ? <Command {...{ frame, fields, about }} path="found" label="It was found" /> : ''}
      </div>
      {isOwn && state !== 'lost' ? <EraseForm {...{ name, frame, drives }} /> : ''}
      {state === 'lost' || !isOwn ? '' : <LostForm {...{ name, frame }} />}
    </>
  );
}

/** Erases a tape: only for somebody who types its name. */
function EraseForm({ name, frame, drives }: { name: string; frame: Frame; drives: string[] }) {
  return (
    <TypedNameForm
      {...{ frame, path: 'erase', field: 'tape', name, button: 'Erase' }}
      title="Erase this tape"
      ask={`Type the tape’s name, ${name}, to erase it:`}
    >
      <p>Everything on it is deleted, so that it can be written to again. What is still needed is refused.</p>
      <label>
        The drive that it is in <DriveChoice drives={drives} chosen="" />
      </label>
      <label class="check">
        <input type="checkbox" name="even-unexpired" value="yes" /> Also what has not expired, or what other
        sets build on
      </label>
    </TypedNameForm>
  );
}

/** Marks a tape as lost: what is on it no longer counts. */
function LostForm({ name, frame }: { name: string; frame: Frame }) {
  return (
    <TypedNameForm
      {...{ frame, path: 'lost', field: 'tape', name, button: 'Mark as lost' }}
      title="It is lost"
      ask={`Type the tape’s name, ${name}:`}
    >
      <p>
        What is on it counts no longer, and running sets write it again elsewhere. It can be marked as found.
      </p>
    </TypedNameForm>
  );
}
