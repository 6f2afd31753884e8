import { type FormEvent, useState } from "react";
import { useSavedViews } from "../app/savedViews";
import { describeSearch, isSameSearch, type TasksSearch } from "../app/taskSearch";
import { Dialog } from "./Dialog";

interface SavedViewsProps {
  search: TasksSearch;
  onShow: (search: TasksSearch) => void;
}

/** Filters by name: choose one, keep the present ones, forget one. */
export function SavedViews({ search, onShow }: SavedViewsProps) {
  const [isOpen, setOpen] = useState(false);
  const { views, keep, forget } = useSavedViews();
  const current = views.find((view) => isSameSearch(view.search, search));
  const show = (view: TasksSearch) => {
    setOpen(false);
    onShow(view);
  };
  return (
    <>
      <button type="button" className="button" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        {current ? `View: ${current.name}` : "Views"}
      </button>
      {isOpen && (
        <Dialog title="Saved views" onClose={() => setOpen(false)}>
          {views.length === 0 && <p className="empty">None yet. A view is a name for filters, kept in this browser.</p>}
          <ul className="views">
            {views.map((view) => (
              <li key={view.name}>
                <button
                  type="button"
                  className="row-button view-button"
                  aria-current={view === current}
                  onClick={() => show(view.search)}
                >
                  <b className="cut">{view.name}</b>
                  <span className="quiet cut">{describeSearch(view.search)}</span>
                </button>
                <button type="button" className="button button-small" onClick={() => forget(view.name)}>
                  Forget <span className="sr-only">{view.name}</span>
                </button>
              </li>
            ))}
          </ul>
          <KeepForm search={search} onKeep={(name) => keep({ name, search })} />
        </Dialog>
      )}
    </>
  );
}

function KeepForm({ search, onKeep }: { search: TasksSearch; onKeep: (name: string) => void }) {
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === "") return;
    onKeep(name.trim());
    setName("");
  };
  return (
    <form className="dialog-form" onSubmit={submit}>
      <p className="quiet">Keep what is shown now: {describeSearch(search)}</p>
      <div className="line">
        <input
          className="input"
          aria-label="Name of the view"
          placeholder="Name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={60}
          autoComplete="off"
        />
        <button type="submit" className="button" aria-disabled={name.trim() === ""}>
          Keep
        </button>
      </div>
    </form>
  );
}
