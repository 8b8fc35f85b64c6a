/** A sentence for people, in which what stands between backticks is a command. Whatever is in it stays text. */
export function Sentence({ text }: { text: string }) {
  const parts = text.split('`');
  // One of a name, and not of ours.
  if (parts.length % 2 === 0) return <>{text}</>;
  return <>{parts.map((part, place) => (place % 2 === 1 ? <code>{part}</code> : part))}</>;
}
