import { type ReactNode, useEffect, useId, useRef } from "react";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** Something that is done before anything else is: it has the focus as long as it is there, and Escape ends it. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close(); // the focus goes back to where it was
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header className="card-head">
        <h2 id={id}>{title}</h2>
        <button type="button" className="button button-small" onClick={onClose}>
          Close
        </button>
      </header>
      {children}
    </dialog>
  );
}
