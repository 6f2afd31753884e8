import type { Arrival } from "../api/responses";
import { findMember, layOut } from "../text/json";
import { CodeBlock } from "./CodeBlock";

/** What a response holds: why it failed, and its result as it stands in the log. */
export function Result({ arrival }: { arrival: Arrival }) {
  const { error } = arrival.response;
  const result = layOut(findMember(arrival.text, "result") ?? "{}");
  return (
    <>
      {error && (
        <p className="error-line">
          <code>{error.code}</code> {error.message}
          {error.retryable && <span className="quiet"> · sending it again may help</span>}
        </p>
      )}
      {result !== "{}" && <CodeBlock text={result} name="Result" />}
    </>
  );
}
