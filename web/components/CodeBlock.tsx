/** Text as it is, in a box that scrolls, also by keyboard. */
export function CodeBlock({ text, name }: { text: string; name: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section className="code code-block" tabIndex={0} aria-label={name}>
      <pre>{text}</pre>
    </section>
  );
}
