import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { cancelTask, type TaskName } from "../api/tasks";
import { Dialog } from "./Dialog";
import { Trouble } from "./Trouble";

const MOST_BYTES = 1000;

interface CancelTaskProps {
  name: TaskName;
  /** Told the position of the cancel, once the broker has it. */
  onCancelled: (position: string) => void;
}

/** Say that a task is of no more use, and why. */
export function CancelTask({ name, onCancelled }: CancelTaskProps) {
  const [isOpen, setOpen] = useState(false);
  const [reason, setReason] = useState("");
  const cancelling = useMutation({
    mutationFn: () => cancelTask(name, reason.trim()),
    onSuccess: ({ position }) => {
      setOpen(false);
      onCancelled(position);
    },
  });
  const bytes = new TextEncoder().encode(reason.trim()).length;
  const isOff = cancelling.isPending || bytes > MOST_BYTES;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isOff) cancelling.mutate();
  };
  return (
    <>
      <button type="button" className="button" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        Cancel
      </button>
      {isOpen && (
        <Dialog title="Cancel the task" onClose={() => setOpen(false)}>
          <form className="dialog-form" onSubmit={submit}>
            <p>
              A task that waits does not run. One that runs is cut off, or told so. One that is answered already stays
              as it is.
            </p>
            <label>
              <span>
                Reason <span className="quiet">optional, a line that stays with the task</span>
              </span>
              <input
                className="input"
                value={reason}
                onChange={(event) => setReason(event.target.value)}
                maxLength={MOST_BYTES}
                autoComplete="off"
                aria-invalid={bytes > MOST_BYTES}
              />
            </label>
            <div className="line">
              <button type="submit" className="button button-main" aria-disabled={isOff}>
                {cancelling.isPending ? "Cancelling…" : "Cancel the task"}
              </button>
              <p className="quiet">{bytes > MOST_BYTES ? `${bytes} bytes: at most ${MOST_BYTES}` : ""}</p>
            </div>
            {cancelling.error && <Trouble error={cancelling.error} />}
          </form>
        </Dialog>
      )}
    </>
  );
}
