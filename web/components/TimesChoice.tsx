import { usePreference } from "../app/preferences";
import { Choice } from "./Choice";

const TIMES = [
  { value: "relative", label: "Relative" },
  { value: "exact", label: "Exact" },
] as const;

/** How times are shown, on every page. */
export function TimesChoice() {
  const [times, setTimes] = usePreference("times");
  return <Choice name="Times" value={times} options={TIMES} onChange={setTimes} />;
}
