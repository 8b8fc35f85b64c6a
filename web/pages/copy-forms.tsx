import type { CopyPlaces } from './copy-places.js';
import type { Frame } from './frame.js';
import { Hidden, PreviewOrStart } from './layout.js';
import { t } from '../../messages/shown.js';

/** Copies a set, or what is on a tape, to tapes of another pool. */
export function CopyForm({ frame, subject, places }: { frame: Frame; subject: string; places: CopyPlaces }) {
  if (frame.isReadOnly) return <></>;
  return (
    <details id="copy">
      <summary>{t`Copy to another pool`}</summary>
      <form method="post" action={`${frame.base}actions/copy`} class="fields">
        <Hidden frame={frame} />
        <input type="hidden" name="subject" value={subject} />
        <p>{t`What of ${subject} is not in that pool yet is copied to its tapes, and checked while it is read.`}</p>
        <label>
          {t`Pool`} <input name="pool" required list="pools" autocomplete="off" />
        </label>
        <datalist id="pools">
          {places.pools.map((pool) => (
            <option value={pool}></option>
          ))}
        </datalist>
        <DriveChoices drives={places.drives} />
        <button>{t`Copy`}</button>
      </form>
    </details>
  );
}

/** Copies what is still needed of a tape to others of its pool. */
export function RepackForm({ frame, name, drives }: { frame: Frame; name: string; drives: string[] }) {
  return (
    <details id="repack">
      <summary>{t`Repack this tape`}</summary>
      <form method="post" action={`${frame.base}actions/repack`} class="fields">
        <Hidden frame={frame} />
        <input type="hidden" name="tape" value={name} />
        <p>
          {t`What is still needed of it is copied to other tapes of its pool, so that it can be erased. Nothing
            on it is deleted.`}
        </p>
        <DriveChoices drives={drives} />
        <PreviewOrStart label={t`Repack`} />
      </form>
    </details>
  );
}

/** Where a copy reads and writes; with one drive there is nothing to choose. */
function DriveChoices({ drives }: { drives: string[] }) {
  if (drives.length < 2) return <></>;
  return (
    <>
      <label>
        {t`Read in`} <OneOrAny name="drive" any={t`any drive that has the tape`} drives={drives} />
      </label>
      <label>
        {t`Write in`} <OneOrAny name="to-drive" any={t`any drive with a tape for it`} drives={drives} />
      </label>
      <p class="quiet">{t`A drive that is named for reading writes as well, unless another one is named for that.`}</p>
    </>
  );
}

function OneOrAny({ name, any, drives }: { name: string; any: string; drives: string[] }) {
  return (
    <select name={name}>
      <option value="">{any}</option>
      {drives.map((drive) => (
        <option value={drive}>{drive}</option>
      ))}
    </select>
  );
}
