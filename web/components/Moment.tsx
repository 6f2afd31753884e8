import { useNow } from "../app/clock";
import { usePreference } from "../app/preferences";
import { showAge, showClock, showMoment } from "../text/time";

/** A moment (ms since 1970), relative or exact as the person likes it; all of it when pointed at. */
export function Moment({ at }: { at: number }) {
  const [style] = usePreference("times");
  return (
    <time dateTime={new Date(at).toISOString()} title={showMoment(at)}>
      {style === "exact" ? showClock(at) : <Age at={at} />}
    </time>
  );
}

function Age({ at }: { at: number }) {
  return showAge(at, useNow());
}
