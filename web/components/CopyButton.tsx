import { useEffect, useState } from "react";

const SHOWN_MS = 2000;

/** Copies a text, and says whether it worked. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setSaid("Copied"),
      () => setSaid("Not allowed"),
    );
  return (
    <>
      <button type="button" className="button button-small copy" onClick={copy}>
        {said || "Copy"} <span className="sr-only">{what}</span>
      </button>
      <span className="sr-only" role="status">
        {said}
      </span>
    </>
  );
}
