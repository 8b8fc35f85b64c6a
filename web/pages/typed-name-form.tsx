import type { Child } from 'hono/jsx';
import type { Frame } from './frame.js';
import { Hidden } from './layout.js';

interface TypedName {
  frame: Frame;
  /** The action, which is also the anchor of the form. */
  path: string;
  /** The field with the name of what is acted on. */
  field: string;
  name: string;
  title: string;
  /** What asks for the name. */
  ask: string;
  button: string;
  children: Child;
}

/** A form for what cannot be taken back: only for somebody who types the name of what it is done to. */
export function TypedNameForm({ frame, path, field, name, title, ask, button, children }: TypedName) {
  return (
    <details id={path}>
      <summary>{title}</summary>
      <form method="post" action={`${frame.base}actions/${path}`} class="fields">
        <Hidden frame={frame} />
        <input type="hidden" name={field} value={name} />
        {children}
        <label>
          {ask} <input name="name" required autocomplete="off" />
        </label>
        <button class="danger">{button}</button>
      </form>
    </details>
  );
}
