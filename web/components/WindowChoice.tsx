import { WINDOWS, type WindowName } from "../text/windows";
import { Choice } from "./Choice";

/** Which window of time a page is about. */
export function WindowChoice({ value, onChange }: { value: WindowName; onChange: (name: WindowName) => void }) {
  return <Choice name="Time" value={value} options={WINDOWS} onChange={onChange} />;
}
