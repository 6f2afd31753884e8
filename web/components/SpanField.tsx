import { useState } from "react";
import { fromLocalField, SPANS, toLocalField } from "../text/span";

export interface Span {
  since?: string | undefined;
  until?: string | undefined;
}

interface SpanFieldProps extends Span {
  onChange: (span: Span) => void;
}

/** Between which moments: the last hour and the like, or two moments of this place's time. */
export function SpanField({ since, until, onChange }: SpanFieldProps) {
  const relative = until === undefined && SPANS.some(({ value }) => value === since);
  const [isExact, setExact] = useState(false);
  const shown = relative ? since : since === undefined && until === undefined && !isExact ? "" : "exact";
  const choose = (value: string) => {
    setExact(value === "exact");
    if (value !== "exact") onChange({ since: value === "" ? undefined : value });
    else onChange({ since: undefined, until: undefined });
  };
  return (
    <>
      <select
        className="input input-span"
        aria-label="Requested"
        value={shown}
        onChange={(event) => choose(event.target.value)}
      >
        <option value="">Any time</option>
        {SPANS.map(({ value, label }) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
        <option value="exact">Between…</option>
      </select>
      {shown === "exact" && (
        <>
          <input
            className="input input-moment"
            type="datetime-local"
            aria-label="From"
            value={toLocalField(since)}
            onChange={(event) => onChange({ since: fromLocalField(event.target.value), until })}
          />
          <input
            className="input input-moment"
            type="datetime-local"
            aria-label="Until"
            value={toLocalField(until)}
            onChange={(event) => onChange({ since, until: fromLocalField(event.target.value) })}
          />
        </>
      )}
    </>
  );
}
