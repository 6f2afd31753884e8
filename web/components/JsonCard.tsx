import { useId, useMemo, useState } from "react";
import { layOut } from "../text/json";
import { readTree } from "../text/tree";
import { Choice } from "./Choice";
import { CodeBlock } from "./CodeBlock";
import { CopyButton } from "./CopyButton";
import { JsonTree } from "./JsonTree";

const SHAPES = [
  { value: "tree", label: "Tree" },
  { value: "raw", label: "Raw" },
] as const;

interface JsonCardProps {
  name: string;
  /** JSON, or some other text of a foreign program; null where there is none. */
  text: string | null;
  /** What is said where there is none. */
  none: string;
}

/** A text of the log: as a tree, or as it is, and to be copied. */
export function JsonCard({ name, text, none }: JsonCardProps) {
  const id = useId();
  const [shape, setShape] = useState<"tree" | "raw">("tree");
  const tree = useMemo(() => (text === null ? null : readTree(text)), [text]);
  return (
    <section className="card" aria-labelledby={id}>
      <header className="card-head">
        <h2 id={id}>{name}</h2>
        {tree && <Choice name={`${name} as`} value={shape} options={SHAPES} onChange={setShape} />}
        {text !== null && <CopyButton text={text} what={`the ${name.toLowerCase()}`} />}
      </header>
      {text === null && <p className="empty">{none}</p>}
      {text !== null && tree && shape === "tree" && <JsonTree node={tree} name={name} />}
      {text !== null && !(tree && shape === "tree") && <CodeBlock text={tree ? layOut(text) : text} name={name} />}
    </section>
  );
}
