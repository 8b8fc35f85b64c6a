/** Milliseconds without an answer until it is asked whether the server works on the query, and between two looks. */
export const lookEveryMs = 15_000;

/** Looks in a row that find a connection dead: one may fall between the server's answer and its arrival. */
const looksUntilDead = 2;

/**
 * Waits for the answer to a query as long as the server works on it. While data is on its way to a machine that is
 * gone, TCP says so only after a quarter of an hour (`tcp_retries2` of Linux), and Node cannot set `TCP_USER_TIMEOUT`:
 * so a server that is silent is asked by another connection, however long the query may take.
 *
 * @param isAtWork asks it; false, or an error: it does not know of the query, or cannot be asked.
 * @param end ends the connection, with which the answer fails.
 */
export async function whileAtWork<Answer>(
  answer: Promise<Answer>,
  isAtWork: () => Promise<boolean>,
  end: () => void,
  everyMs = lookEveryMs,
): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let dead = 0;
  const lookLater = () => {
    timer = setTimeout(() => void look(), everyMs).unref();
  };
  const look = async () => {
    dead = (await isAtWork().catch(() => false)) ? 0 : dead + 1;
    if (isOver) return;
    if (dead < looksUntilDead) lookLater();
    else end();
  };
  lookLater();
  try {
    return await answer;
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}
