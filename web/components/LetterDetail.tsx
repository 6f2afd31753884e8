import { useState } from "react";
import { type Redrive, readLetter, type WholeLetter } from "../api/letters";
import { JsonText } from "../api/task";
import { usePolled } from "../app/polling";
import { checkObject, layOut } from "../text/json";
import { showMoment } from "../text/time";
import { CodeBlock } from "./CodeBlock";
import { JsonCard } from "./JsonCard";
import { PayloadField } from "./PayloadField";
import { ReadTrouble } from "./ReadTrouble";
import { RedriveCard } from "./RedriveCard";
import { StatusTag } from "./StatusTag";
import { type Column, Table } from "./Table";
import { TaskNameLink } from "./TaskNameLink";

const EVERY_MS = 15_000;
const HEADERS: readonly Column<{ name: string; value: string }>[] = [
  { name: "Header", show: ({ name }) => <code>{name}</code> },
  { name: "Value", toTitle: ({ value }) => value, show: ({ value }) => <code>{value}</code> },
];

/** One dead letter: why it died, what was asked; and asked again, as it was or otherwise. */
export function LetterDetail({ position }: { position: string }) {
  const query = usePolled({
    key: ["letters", "one", position],
    read: (signal) => readLetter(position, signal),
    everyMs: EVERY_MS,
  });
  const [redrive, setRedrive] = useState<Redrive | null>(null);
  const [draft, setDraft] = useState<string | null>(null);
  const { data } = query;
  if (data === undefined) {
    return query.error ? (
      <ReadTrouble what="The letter" error={query.error} />
    ) : (
      <p className="card empty">Asking for the letter…</p>
    );
  }
  const { letter, payload } = data;
  const edit = () => setDraft(draft === null ? layOut(payload ?? '{\n  "action": ""\n}') : null);
  return (
    <div className="stack">
      <ReadTrouble what="The letter" error={query.error} hasOlder />
      <section className="card">
        <header className="card-head">
          <h2>Why</h2>
          <button
            type="button"
            className="button button-small"
            aria-disabled={!letter.can_redrive}
            onClick={() => letter.can_redrive && setRedrive({ positions: [position] })}
          >
            Redrive…
          </button>
          <button type="button" className="button button-small" aria-pressed={draft !== null} onClick={edit}>
            Redrive otherwise…
          </button>
        </header>
        <p className="error-line">
          <code>{letter.code}</code> {letter.message}
        </p>
        <Facts letter={letter} />
      </section>
      {draft !== null && (
        <Edited
          text={draft}
          onChange={setDraft}
          onPlan={(text) => setRedrive({ positions: [position], payload: new JsonText(text) })}
        />
      )}
      {redrive && <RedriveCard redrive={redrive} onClose={() => setRedrive(null)} />}
      <JsonCard name="Payload" text={payload} none="The record cannot be read as a task: below are its bytes." />
      {letter.stack !== null && (
        <section className="card">
          <header className="card-head">
            <h2>Stack</h2>
          </header>
          <CodeBlock text={letter.stack} name="Stack" />
        </section>
      )}
      <section className="card">
        <header className="card-head">
          <h2>Record</h2>
          <span className="quiet">
            {letter.schema_id === null ? "no schema" : `schema ${letter.schema_id}`}
            {letter.key !== null && (
              <>
                , key <code>{letter.key}</code>
              </>
            )}
          </span>
        </header>
        {letter.headers.length > 0 && (
          <Table name="Headers" columns={HEADERS} rows={letter.headers} toKey={({ name }) => name} />
        )}
        {letter.raw === null ? (
          <p className="empty">The log no more has its bytes.</p>
        ) : (
          <details className="more">
            <summary>Its bytes in base64</summary>
            <CodeBlock text={letter.raw.replace(/(.{100})/g, "$1\n")} name="Bytes in base64" />
          </details>
        )}
      </section>
    </div>
  );
}

function Facts({ letter }: { letter: WholeLetter["letter"] }) {
  return (
    <dl className="facts">
      <dt>Dead</dt>
      <dd>{showMoment(Date.parse(letter.dead_at))}</dd>
      <dt>Agent</dt>
      <dd>{letter.agent_id === null ? "not known" : <code>{letter.agent_id}</code>}</dd>
      <dt>Task</dt>
      <dd>
        {letter.task_id !== null && letter.agent_id !== null ? (
          <TaskNameLink agentId={letter.agent_id} taskId={letter.task_id} />
        ) : (
          "not known"
        )}
      </dd>
      <dt>Action</dt>
      <dd>{letter.action ?? "–"}</dd>
      <dt>Attempts</dt>
      <dd>{letter.attempts ?? "–"}</dd>
      <dt>Request at</dt>
      <dd>{letter.origin === null ? "–" : <code>{letter.origin}</code>}</dd>
      <dt>Letter at</dt>
      <dd>
        <code>{letter.position}</code>
      </dd>
      <dt>Redriven</dt>
      <dd>
        {letter.redriven.length === 0 && (letter.can_redrive ? "not yet" : `cannot be: ${letter.why_not}`)}
        {letter.redriven.map(({ task_id, agent_id, state }) => (
          <p key={task_id}>
            <TaskNameLink agentId={agent_id} taskId={task_id} /> <StatusTag status={state} />
          </p>
        ))}
      </dd>
    </dl>
  );
}

interface EditedProps {
  text: string;
  onChange: (text: string) => void;
  onPlan: (text: string) => void;
}

function Edited({ text, onChange, onPlan }: EditedProps) {
  const isValid = checkObject(text).ok;
  return (
    <form
      className="card form"
      onSubmit={(event) => {
        event.preventDefault();
        if (isValid) onPlan(text.trim());
      }}
    >
      <PayloadField text={text} onChange={onChange} />
      <button type="submit" className="button" aria-disabled={!isValid}>
        Show what would be done
      </button>
    </form>
  );
}
