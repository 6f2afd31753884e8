import { useState } from "react";
import { asCurl, asPython, type Call } from "../text/snippets";
import { Choice } from "./Choice";
import { CodeBlock } from "./CodeBlock";
import { CopyButton } from "./CopyButton";

const LANGUAGES = [
  { value: "curl", label: "curl" },
  { value: "python", label: "Python" },
] as const;

/** A call to paste elsewhere; null while there is none that would work. */
export function Snippets({ call }: { call: Call | null }) {
  const [language, setLanguage] = useState<(typeof LANGUAGES)[number]["value"]>("curl");
  const name = `the call for ${language === "curl" ? "curl" : "Python"}`;
  const write = language === "curl" ? (one: Call) => asCurl(one, location.origin) : asPython;
  const text = call === null ? null : write(call);
  return (
    <section className="card" aria-labelledby="snippets">
      <header className="card-head">
        <h2 id="snippets">The same call</h2>
        <Choice name="Language" value={language} options={LANGUAGES} onChange={setLanguage} />
        {text !== null && <CopyButton text={text} what={name} />}
      </header>
      {text === null ? (
        <p className="empty">It stands here once the task has an agent and a valid payload.</p>
      ) : (
        <CodeBlock text={text} name={name} />
      )}
    </section>
  );
}
