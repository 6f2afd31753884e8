import { useId } from "react";

interface ChoiceProps<T extends string> {
  name: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** One of a few, all of them to be seen. */
export function Choice<T extends string>({ name, value, options, onChange }: ChoiceProps<T>) {
  const group = useId();
  return (
    <fieldset className="choice">
      <legend className="sr-only">{name}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={group}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </fieldset>
  );
}
