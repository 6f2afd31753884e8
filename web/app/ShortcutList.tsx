import type { RefObject } from "react";
import { Choice } from "../components/Choice";
import { usePreference } from "./preferences";
import { useShortcuts } from "./shortcuts";

const SWITCH = [
  { value: "on", label: "On" },
  { value: "off", label: "Off" },
] as const;

/** The keys there are on this page, and the switch for whoever they disturb. */
export function ShortcutList({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  const shortcuts = useShortcuts();
  const [keys, setKeys] = usePreference("keys");
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="keys">
      <header className="card-head">
        <h2 id="keys">Keys</h2>
        <span className="quiet" aria-hidden="true">
          Single keys
        </span>
        <Choice name="Single keys" value={keys} options={SWITCH} onChange={setKeys} />
        <button type="button" className="button button-small" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </header>
      <dl className="keys">
        {[...shortcuts]
          .sort((one, other) => one.does.localeCompare(other.does))
          .map((shortcut) => (
            <div key={shortcut.keys}>
              <dt>
                {shortcut.keys.split(" ").map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{shortcut.does}</dd>
            </div>
          ))}
      </dl>
    </dialog>
  );
}
