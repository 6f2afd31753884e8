import type { Replay } from "../api/replays";

const SHOWN: Record<Replay["state"], { glyph: string; name: string; look: string }> = {
  counting: { glyph: "◐", name: "counting", look: "in_progress" },
  ready: { glyph: "◌", name: "ready", look: "rejected" },
  running: { glyph: "◐", name: "running", look: "in_progress" },
  stopped: { glyph: "⊘", name: "stopped", look: "cancelled" },
  done: { glyph: "✓", name: "done", look: "completed" },
  failed: { glyph: "✕", name: "failed", look: "failed" },
  interrupted: { glyph: "!", name: "interrupted", look: "rejected" },
};

/** What a replay does, in a word, with a sign and a colour that say the same. */
export function ReplayState({ state }: Pick<Replay, "state">) {
  const { glyph, name, look } = SHOWN[state] ?? { glyph: "?", name: state, look: "cancelled" };
  return (
    <span className={`tag tag-${look}`}>
      <span aria-hidden="true">{glyph}</span> {name}
    </span>
  );
}
