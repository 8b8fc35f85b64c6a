import type { SetRow } from '../../catalog/rows.js';
import { CopyForm } from './copy-forms.js';
import type { CopyPlaces } from './copy-places.js';
import type { Frame } from './frame.js';
import { Command } from './layout.js';
import { TypedNameForm } from './typed-name-form.js';
import { t } from '../../messages/shown.js';
import { Sentence } from './sentence.js';

/** What can be told to a set that has ended. */
export function EndedSetCommands(props: { set: SetRow; frame: Frame; places: CopyPlaces }) {
  const { set, frame, places } = props;
  const { id, state } = set;
  if (frame.isReadOnly || state === 'expired') return <></>;
  const about = `${t`set`} ${id}`;
  const mayRetry = state === 'failed' || state === 'cancelled' || state === 'completed_with_skips';
  const mayDiscard = state === 'failed' || state === 'cancelled';
  return (
    <>
      <div class="commands">
        {mayRetry ? (
          <Command frame={frame} path="retry" fields={{ set: id }} label={t`Retry`} about={about} />
        ) : (
          ''
        )}
        <Command frame={frame} path="verify" fields={{ subject: id }} label={t`Verify`} about={about} />
      </div>
      <CopyForm {...{ frame, places }} subject={id} />
      {mayDiscard ? <DiscardForm id={id} frame={frame} /> : ''}
    </>
  );
}

/** Deletes what a set has in staging: only for somebody who types its name. */
function DiscardForm({ id, frame }: { id: string; frame: Frame }) {
  return (
    <TypedNameForm
      {...{ frame, path: 'discard', field: 'set', name: id, button: t`Delete` }}
      title={t`Delete what is staged`}
      ask={t`Type the set’s name, ${id}, to delete it:`}
    >
      <p>
        <Sentence
          text={t`What of this set is in staging, and not on tape yet, is deleted. \`retry\` cannot go on with it
            then.`}
        />
      </p>
    </TypedNameForm>
  );
}
