import { useState } from "react";
import type { JsonNode } from "../text/tree";

/** As many children are shown at once. */
const STEP = 100;
/** Longer strings are cut until they are wanted. */
const LONG = 400;
/** So deep it is open at first, where it is not large. */
const OPEN_DEPTH = 2;
const OPEN_CHILDREN = 30;

/** JSON whose objects and arrays open and close. */
export function JsonTree({ node, name }: { node: JsonNode; name: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section className="code tree" tabIndex={0} aria-label={name}>
      {"text" in node ? <Leaf node={node} /> : <Children node={node} depth={0} />}
    </section>
  );
}

type Branch = Extract<JsonNode, { kind: "object" | "array" }>;

function Node({ label, node, depth }: { label: string; node: JsonNode; depth: number }) {
  if ("text" in node || sizeOf(node) === 0) {
    return (
      <div className="tree-leaf">
        <span className="tree-name">{label}</span>{" "}
        {"text" in node ? <Leaf node={node} /> : <span className="quiet">{describe(node, 0)}</span>}
      </div>
    );
  }
  return <BranchNode label={label} node={node} depth={depth} />;
}

function BranchNode({ label, node, depth }: { label: string; node: Branch; depth: number }) {
  const size = sizeOf(node);
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH && size <= OPEN_CHILDREN);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span className="tree-name">{label}</span> <span className="quiet">{describe(node, size)}</span>
      </summary>
      {isOpen && <Children node={node} depth={depth + 1} />}
    </details>
  );
}

function Children({ node, depth }: { node: Branch; depth: number }) {
  const [shown, setShown] = useState(STEP);
  const size = sizeOf(node);
  if (size === 0) return <p className="quiet tree-leaf">{describe(node, 0)}</p>;
  return (
    <ul>
      {node.kind === "object"
        ? node.members.slice(0, shown).map(({ name, value }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a foreign text may have a name twice, and nothing moves
            <li key={at}>
              <Node label={`${name}:`} node={value} depth={depth} />
            </li>
          ))
        : node.items.slice(0, shown).map((item, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: its place is what an element is known by
            <li key={at}>
              <Node label={`${at}:`} node={item} depth={depth} />
            </li>
          ))}
      {size > shown && (
        <li>
          <button type="button" className="link" onClick={() => setShown(shown + 10 * STEP)}>
            {(size - shown).toLocaleString()} more
          </button>
        </li>
      )}
    </ul>
  );
}

function Leaf({ node }: { node: Exclude<JsonNode, Branch> }) {
  const [isWhole, setWhole] = useState(node.text.length <= LONG);
  return (
    <>
      <span className={`tree-${node.kind}`}>{isWhole ? node.text : `${node.text.slice(0, LONG)}…`}</span>
      {!isWhole && (
        <button type="button" className="link" onClick={() => setWhole(true)}>
          all {node.text.length.toLocaleString()} characters
        </button>
      )}
    </>
  );
}

const sizeOf = (node: Branch) => (node.kind === "object" ? node.members.length : node.items.length);

function describe(node: Branch, size: number): string {
  if (size === 0) return node.kind === "object" ? "{ }" : "[ ]";
  return node.kind === "object"
    ? `{ ${size.toLocaleString()} ${size === 1 ? "member" : "members"} }`
    : `[ ${size.toLocaleString()} ${size === 1 ? "element" : "elements"} ]`;
}
