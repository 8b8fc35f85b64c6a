import type { TapeRow } from '../../catalog/rows.js';
import { CopyForm, RepackForm } from './copy-forms.js';
import type { CopyPlaces } from './copy-places.js';
import type { Frame } from './frame.js';
import { Command, Hidden } from './layout.js';
import { TypedNameForm } from './typed-name-form.js';
import { t } from '../../messages/shown.js';

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
      <h2>{t`Label the tape in a drive`}</h2>
      <form method="post" action={`${frame.base}actions/label`} class="fields">
        <Hidden frame={frame} />
        <label>
          {t`Name, as on its sticker`}{' '}
          <input name="name" required autocomplete="off" pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" />
        </label>
        <label>
          {t`Pool`} <input name="pool" required value={chosen.pool} list="pools" autocomplete="off" />
        </label>
        <datalist id="pools">
          {pools.map((pool) => (
            <option value={pool}></option>
          ))}
        </datalist>
        <label>
          {t`Drive`} <DriveChoice drives={drives} chosen={chosen.drive} />
        </label>
        <label class="check">
          <input type="checkbox" name="force" value="yes" />{' '}
          {t`Also if it is not empty, or has another label; nothing on it is erased`}
        </label>
        <button>{t`Label`}</button>
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
export function TapeCommands({ tape, frame, places }: { tape: TapeRow; frame: Frame; places: CopyPlaces }) {
  if (frame.isReadOnly) return <></>;
  const { name, state } = tape;
  const fields = { tape: name };
  const about = `${t`tape`} ${name}`;
  const isOwn = state !== 'foreign';
  const isReadable = state !== 'lost' && state !== 'erasing';
  const { drives } = places;
  return (
    <>
      <div class="commands">
        {state === 'lost' ? (
          ''
        ) : (
          <Command {...{ frame, about }} path="verify" fields={{ subject: name }} label={t`Verify`} />
        )}
        {state === 'suspect' || state === 'full' ? (
          <Command {...{ frame, fields, about }} path="trust" label={t`Trust it again`} />
        ) : (
          ''
        )}
        {state === 'lost' ? (
          <Command {...{ frame, fields, about }} path="found" label={t`It was found`} />
        ) : (
          ''
        )}
      </div>
      {isReadable ? <CopyForm {...{ frame, places }} subject={name} /> : ''}
      {isReadable && isOwn ? <RepackForm {...{ name, frame, drives }} /> : ''}
      {state === 'usable' || state === 'full' ? <DistrustForm {...{ name, frame }} /> : ''}
      {isOwn && state !== 'lost' ? <EraseForm {...{ name, frame, drives }} /> : ''}
      {state === 'lost' || !isOwn ? '' : <LostForm {...{ name, frame }} />}
    </>
  );
}

/** Erases a tape: only for somebody who types its name. */
function EraseForm({ name, frame, drives }: { name: string; frame: Frame; drives: string[] }) {
  return (
    <TypedNameForm
      {...{ frame, path: 'erase', field: 'tape', name, button: t`Erase` }}
      title={t`Erase this tape`}
      ask={t`Type the tape’s name, ${name}, to erase it:`}
    >
      <p>
        {t`Everything on it is deleted, so that it can be written to again. What is still needed is refused.`}
      </p>
      <label>
        {t`The drive that it is in`} <DriveChoice drives={drives} chosen="" />
      </label>
      <label class="check">
        <input type="checkbox" name="even-unexpired" value="yes" />{' '}
        {t`Also what has not expired, or what other sets build on`}
      </label>
    </TypedNameForm>
  );
}

/** Writes to a tape no more: what was not synced on it is written again. */
function DistrustForm({ name, frame }: { name: string; frame: Frame }) {
  return (
    <TypedNameForm
      {...{ frame, path: 'distrust', field: 'tape', name, button: t`Distrust` }}
      title={t`Do not trust it any more`}
      ask={t`Type the tape’s name, ${name}:`}
    >
      <p>
        {t`Nothing more is written to it, and running sets write again elsewhere what was not synced on it. What
          was synced stays, and counts. It can be trusted again.`}
      </p>
    </TypedNameForm>
  );
}

/** Marks a tape as lost: what is on it no longer counts. */
function LostForm({ name, frame }: { name: string; frame: Frame }) {
  return (
    <TypedNameForm
      {...{ frame, path: 'lost', field: 'tape', name, button: t`Mark as lost` }}
      title={t`It is lost`}
      ask={t`Type the tape’s name, ${name}:`}
    >
      <p>
        {t`What is on it counts no longer, and running sets write it again elsewhere. It can be marked as
          found.`}
      </p>
    </TypedNameForm>
  );
}
