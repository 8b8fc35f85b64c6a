import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { shownLanguage, t } from '../../messages/shown.js';

/** An answer to somebody who is not let in: one sentence, and nothing of the installation. */
export async function refusal(
  context: Context,
  status: ContentfulStatusCode,
  sentence: string,
  advice?: string,
  onward?: string,
): Promise<Response> {
  const document = (
    <html lang={shownLanguage()}>
      <head>
        <meta charset="utf-8" />
        <title>tapeflow</title>
        <meta name="viewport" content="width=device-width" />
        <meta name="color-scheme" content="light dark" />
      </head>
      <body>
        <h1>tapeflow</h1>
        <p>{sentence}</p>
        {advice === undefined ? '' : <p>{advice}</p>}
        {onward === undefined ? (
          ''
        ) : (
          <p>
            <a href={onward}>{t`Go on`}</a>
          </p>
        )}
      </body>
    </html>
  );
  return context.html(`<!doctype html>${String(await document)}`, status);
}
