import type { Status } from "../api/responses";

const SHOWN: Record<Status, { glyph: string; name: string }> = {
  in_progress: { glyph: "◐", name: "in progress" },
  completed: { glyph: "✓", name: "completed" },
  failed: { glyph: "✕", name: "failed" },
  rejected: { glyph: "!", name: "rejected" },
  cancelled: { glyph: "⊘", name: "cancelled" },
  expired: { glyph: "◷", name: "expired" },
  timed_out: { glyph: "◷", name: "timed out" },
};

/** A status in words, with a sign and a colour that say the same. */
export function StatusTag({ status }: { status: Status }) {
  // a newer gateway may know more
  const { glyph, name } = SHOWN[status] ?? { glyph: "?", name: status };
  return (
    <span className={`tag tag-${status}`}>
      <span aria-hidden="true">{glyph}</span> {name}
    </span>
  );
}

/** A status in words. */
export const nameStatus = (status: Status) => SHOWN[status]?.name ?? status;
