import { displayPath } from '../../client/print/names.js';
import { toBytes } from '../../entry/byte-string.js';
import { encodeName } from '../names.js';
import type { Frame } from './frame.js';
import { Hidden, PreviewOrStart } from './layout.js';
import { t } from '../../messages/shown.js';

/** Restores what is at a path of a set; all of it for the root. */
export function RestoreForm(props: { frame: Frame; setId: string; at: string; isHere: boolean }) {
  const { frame, setId, at, isHere } = props;
  if (frame.isReadOnly) return <></>;
  const what = at === '' ? t`the whole set ${setId}` : displayPath(toBytes(at));
  return (
    <section id="restore">
      <h2>{at === '' ? t`Restore the whole set` : t`Restore this`}</h2>
      <form method="post" action={`${frame.base}actions/restore`} class="fields">
        <Hidden frame={frame} />
        <input type="hidden" name="set" value={setId} />
        <input type="hidden" name="at" value={encodeName(at)} />
        <p>
          {t`What comes back:`} <span class="path">{what}</span>
        </p>
        <label>
          {t`Into the folder, by its whole path`}{' '}
          <input name="target" required autocomplete="off" placeholder="/srv/restored" spellcheck={false} />
        </label>
        <p class="quiet">
          {isHere
            ? t`It is made if it is missing. A folder of another host is HOST:/FOLDER.`
            : t`The set is of another host. A folder there is HOST:/FOLDER; a path alone is on this one.`}
        </p>
        <label>
          {t`What is there already`}{' '}
          <select name="overwrite">
            <option value="never">{t`stays`}</option>
            <option value="if-newer">{t`is replaced, if it is older`}</option>
            <option value="always">{t`is replaced`}</option>
          </select>
        </label>
        <PreviewOrStart label={t`Restore`} />
      </form>
    </section>
  );
}
