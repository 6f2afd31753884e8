import { type ReactNode, useId } from "react";

/** What a control inside a field needs to be named and described. */
export interface Control {
  id: string;
  "aria-describedby": string;
  "aria-invalid": boolean;
}

interface FieldProps {
  label: string;
  isOptional?: boolean;
  /** What helps to fill it, while nothing is wrong. */
  hint?: ReactNode;
  /** What is wrong; takes the place of the hint, so that nothing moves. */
  fault?: ReactNode;
  /** Beside the label. */
  tools?: ReactNode;
  children: (control: Control) => ReactNode;
}

/** A control with its label, and a line below it that helps or says what is wrong. */
export function Field({ label, isOptional = false, hint, fault, tools, children }: FieldProps) {
  const id = useId();
  const told = `${id}-told`;
  return (
    <div className="field">
      <div className="field-head">
        <label htmlFor={id}>
          {label} {isOptional && <span className="quiet">optional</span>}
        </label>
        {tools}
      </div>
      {children({ id, "aria-describedby": told, "aria-invalid": Boolean(fault) })}
      <p id={told} className={fault ? "field-told field-fault" : "field-told"}>
        {fault || hint || "\u00a0"}
      </p>
    </div>
  );
}
