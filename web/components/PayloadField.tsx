import { useRef } from "react";
import { checkObject, layOut } from "../text/json";
import { Field } from "./Field";

interface PayloadFieldProps {
  text: string;
  onChange: (text: string) => void;
  /** What the gateway said of it. */
  refusal?: string | undefined;
}

/** JSON as text: whatever is typed stays; what is wrong is told with its line and column, and can be gone to. */
export function PayloadField({ text, onChange, refusal }: PayloadFieldProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const check = checkObject(text);
  const goTo = (offset: number) => {
    area.current?.focus();
    area.current?.setSelectionRange(offset, Math.min(offset + 1, text.length));
  };
  const fault = check.ok ? (
    refusal
  ) : (
    <>
      <button type="button" className="link" onClick={() => goTo(check.fault.offset)}>
        Line {check.fault.line}, column {check.fault.column}
      </button>
      : {check.fault.message}
    </>
  );
  return (
    <Field
      label="Payload"
      hint={
        <>
          A JSON object; its member <code>action</code> picks the handler.
        </>
      }
      fault={fault}
      tools={
        <button
          type="button"
          className="button button-small"
          aria-disabled={!check.ok}
          onClick={() => check.ok && onChange(layOut(text))}
        >
          Lay out
        </button>
      }
    >
      {(control) => (
        <textarea
          {...control}
          ref={area}
          className="code"
          rows={12}
          value={text}
          onChange={(event) => onChange(event.target.value)}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
        />
      )}
    </Field>
  );
}
