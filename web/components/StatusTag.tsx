import type { TaskState } from "../api/tasks";

const SHOWN: Record<TaskState, { glyph: string; name: string }> = {
  unasked: { glyph: "?", name: "unasked" },
  queued: { glyph: "◌", name: "queued" },
  in_progress: { glyph: "◐", name: "in progress" },
  completed: { glyph: "✓", name: "completed" },
  failed: { glyph: "✕", name: "failed" },
  rejected: { glyph: "!", name: "rejected" },
  cancelled: { glyph: "⊘", name: "cancelled" },
  expired: { glyph: "◷", name: "expired" },
  timed_out: { glyph: "◷", name: "timed out" },
};

/** A status of a response or the state of a task in words, with a sign and a colour that say the same. */
export function StatusTag({ status }: { status: TaskState }) {
  // a newer gateway may know more
  const { glyph, name } = SHOWN[status] ?? { glyph: "?", name: status };
  return (
    <span className={`tag tag-${status}`}>
      <span aria-hidden="true">{glyph}</span> {name}
    </span>
  );
}

/** A status in words. */
export const nameStatus = (status: TaskState) => SHOWN[status]?.name ?? status;
