/** A sentence for people, in which what stands between backticks is a command. Whatever is in it stays text. */
export function Sentence({ text }: { text: string }) {
  const parts = text.split('`');
  // One of a name, and not of ours.
  if (parts.length % 2 === 0) return <>{text}</>;
  return <>{parts.map((part, place) => (place % 2 === 1 ? <CommandLine text={part} /> : part))}</>;
}

/** A command as it is typed. No line ends within an option: browsers break `--pool` after a hyphen. */
export function CommandLine({ text }: { text: string }) {
  const parts = text.split(/(?<!\S)(--?[a-z][a-z-]*)(?!\S)/);
  return (
    <code>{parts.map((part, place) => (place % 2 === 1 ? <span class="whole">{part}</span> : part))}</code>
  );
}
