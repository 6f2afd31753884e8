import { type ChangeEvent, useId, useRef } from "react";
import { findStretchFault, type StretchDraft } from "../text/stretches";

const COLUMNS = [
  { member: "partition", label: "Partition", placeholder: "7" },
  { member: "begin", label: "From offset", placeholder: "oldest" },
  { member: "end", label: "Before offset", placeholder: "newest" },
] as const;

interface OffsetFieldsProps {
  rows: readonly StretchDraft[];
  onChange: (rows: readonly StretchDraft[]) => void;
}

/** Stretches of partitions: none for the whole log, or one row for each partition that is wanted. */
export function OffsetFields({ rows, onChange }: OffsetFieldsProps) {
  const id = useId();
  const add = useRef<HTMLButtonElement>(null);
  const addRow = () => {
    const next = Math.max(0, ...rows.map((row) => row.id)) + 1;
    onChange([...rows, { id: next, partition: "", begin: "", end: "" }]);
  };
  const removeRow = (row: StretchDraft) => {
    onChange(rows.filter((other) => other !== row));
    add.current?.focus(); // what had it is gone
  };
  return (
    <div className="offsets">
      {rows.map((row, index) => {
        const fault = findStretchFault(row, rows);
        const told = `${id}-${row.id}`;
        return (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out as a grid everywhere
          <div key={row.id} className="offsets-row" role="group" aria-label={`Stretch ${index + 1}`}>
            {COLUMNS.map(({ member, label, placeholder }, column) => (
              <label key={member}>
                <span className="quiet">{label}</span>
                <input
                  className="input code"
                  inputMode="numeric"
                  autoComplete="off"
                  // biome-ignore lint/a11y/noAutofocus: whoever adds a row wants to fill it
                  autoFocus={column === 0}
                  placeholder={placeholder}
                  value={row[member]}
                  aria-invalid={fault !== null}
                  aria-describedby={told}
                  onChange={(event: ChangeEvent<HTMLInputElement>) =>
                    onChange(rows.map((other) => (other === row ? { ...row, [member]: event.target.value } : other)))
                  }
                />
              </label>
            ))}
            <button
              type="button"
              className="button button-small"
              aria-label={`Remove stretch ${index + 1}`}
              onClick={() => removeRow(row)}
            >
              Remove
            </button>
            <p id={told} className={fault ? "field-told field-fault" : "field-told"}>
              {fault ?? "\u00a0"}
            </p>
          </div>
        );
      })}
      <div className="form-row">
        <button type="button" className="button button-small" ref={add} onClick={addRow}>
          Add a partition
        </button>
        {rows.length === 0 && <span className="quiet">Without any, all of the log.</span>}
      </div>
    </div>
  );
}
