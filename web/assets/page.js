// Takes the changes of a page from the server (`live`), and puts them in place of what has changed. Without this script
// every page says the same, as it was when it was loaded.
(() => {
  const { liveAddress: address, liveOf } = document.body.dataset;
  const connection = document.getElementById('connection');
  /** What it says, in the language of the page. */
  const { refused, away } = connection.dataset;
  /** What the server has last sent for each part that changes, by its id. */
  const sent = new Map();
  let events;

  const parts = (page) => [...page.querySelectorAll('[data-live]')];
  for (const part of parts(document)) sent.set(part.id, part.innerHTML);

  function say(text) {
    connection.hidden = text === '';
    if (connection.textContent !== text) connection.textContent = text;
  }

  /** True while somebody types there: what they have typed would be gone. */
  function isInUse(part) {
    const { activeElement: active } = document;
    return part.contains(active) && active.matches('input, select, textarea');
  }

  function replace(part, next) {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : '';
    const open = [...part.querySelectorAll('details[open][id]')].map(({ id }) => id);
    part.replaceChildren(...document.importNode(next, true).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute('open', '');
    if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function take(text) {
    const page = new DOMParser().parseFromString(text, 'text/html');
    const [now, next] = [parts(document), parts(page)];
    if (liveOf !== undefined) {
      // The page stays as it is, except for what commands have said.
      const [part, other] = [document, page].map((of) => of.getElementById('messages'));
      if (sent.get('messages') !== other.innerHTML) replace(part, other);
      sent.set('messages', other.innerHTML);
      return;
    }
    document.title = page.title;
    if (now.map(({ id }) => id).join() !== next.map(({ id }) => id).join()) {
      // Another page than before: what was wrong is over, or something is wrong now.
      const main = document.getElementById('main');
      if (isInUse(main)) return;
      replace(main, page.getElementById('main'));
      for (const part of parts(document)) sent.set(part.id, part.innerHTML);
      document.dispatchEvent(new Event('replaced'));
      return;
    }
    for (const [at, part] of now.entries()) {
      const { innerHTML } = next[at];
      if (sent.get(part.id) === innerHTML || isInUse(part)) continue;
      sent.set(part.id, innerHTML);
      replace(part, next[at]);
    }
  }

  function connect() {
    const of = encodeURIComponent(liveOf ?? location.pathname + location.search);
    events = new EventSource(`${address}?of=${of}`);
    events.addEventListener('page', ({ data }) => {
      say('');
      take(JSON.parse(data));
    });
    events.addEventListener('alive', () => say(''));
    events.onerror = () => {
      const time = new Date().toLocaleTimeString();
      if (events.readyState === EventSource.CLOSED) say(refused);
      else if (connection.hidden) say(away.replace('{time}', time));
    };
  }

  // A browser has few connections to one server: those of tabs that nobody sees would block the others.
  document.addEventListener('visibilitychange', () => {
    events?.close();
    if (!document.hidden) connect();
  });
  if (!document.hidden) connect();

  // A command is given once, however often its button is pressed.
  document.addEventListener('submit', ({ target, submitter }) => {
    if (target.method !== 'post') return;
    setTimeout(() => {
      if (submitter !== null) submitter.disabled = true;
    });
  });
})();
