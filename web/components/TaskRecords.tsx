import { useQuery } from "@tanstack/react-query";
import { GatewayProblem, isPassing } from "../api/problems";
import { getRecords, type RecordHeader, type RecordText, type TaskRecord, type TaskSummary } from "../api/tasks";
import { showBytes } from "../text/numbers";
import { showMoment } from "../text/time";
import { type Column, Table } from "./Table";
import { Trouble } from "./Trouble";

const RETRY_EVERY_MS = 5_000;
const GONE = "The log no more has it: its retention is over.";

const HEADERS: readonly Column<RecordHeader>[] = [
  { name: "Header", show: ({ name }) => <code>{name}</code> },
  { name: "Value", show: (header) => <Bytes text={header} /> },
];

/** A task's request and outcome as they stand in the log: what the view does not keep. */
export function TaskRecords({ task }: { task: TaskSummary }) {
  const { task_id: taskId, agent_id: agentId, positions } = task;
  const { data, error, refetch } = useQuery({
    queryKey: ["records", agentId, taskId, positions.request, positions.response],
    queryFn: ({ signal }) => getRecords({ taskId, agentId }, signal),
    refetchInterval: (query) => isPassing(query.state.error) && RETRY_EVERY_MS,
    staleTime: Number.POSITIVE_INFINITY, // what stands in the log does not change
  });
  const isGone = error instanceof GatewayProblem && error.status === 410;
  return (
    <section className="card records" aria-labelledby="records">
      <header className="card-head">
        <h2 id="records">Records</h2>
        <span className="quiet">as they stand in the log</span>
      </header>
      {isGone && <p className="empty">The log has none of its records any more: their retention is over.</p>}
      {error && !isGone && (
        <Trouble error={error} onRetry={() => void refetch()} isRetried={isPassing(error)}>
          <p className="quiet">All else on this page comes from the view.</p>
        </Trouble>
      )}
      {!data && !error && <p className="empty">Reading the log…</p>}
      {data && (
        <>
          {positions.request && <Record name="Request" record={data.request} />}
          {positions.response && <Record name="Outcome" record={data.response} />}
          {!positions.request && !positions.response && <p className="empty">There are none yet.</p>}
        </>
      )}
    </section>
  );
}

function Record({ name, record }: { name: string; record: TaskRecord | null }) {
  return (
    <section aria-label={name}>
      <h3>{name}</h3>
      {record === null ? (
        <p className="empty">{GONE}</p>
      ) : (
        <>
          <dl className="facts">
            <dt>Schema</dt>
            <dd>{describeSchema(record)}</dd>
            <dt>Key</dt>
            <dd>{record.key ? <Bytes text={record.key} /> : "none"}</dd>
            <dt>Stored</dt>
            <dd>{record.stored_at === null ? "–" : showMoment(Date.parse(record.stored_at))}</dd>
            <dt>Value</dt>
            <dd>{showBytes(record.size_bytes)}</dd>
            {record.headers.length === 0 && (
              <>
                <dt>Headers</dt>
                <dd>none</dd>
              </>
            )}
          </dl>
          {record.headers.length > 0 && (
            <Table
              name={`Headers of the ${name.toLowerCase()}`}
              columns={HEADERS}
              rows={record.headers}
              toKey={(header) => record.headers.indexOf(header)}
            />
          )}
        </>
      )}
    </section>
  );
}

/** Text as it is; bytes that are none are marked. */
function Bytes({ text: { value, encoding } }: { text: RecordText }) {
  if (value === "") return <span className="quiet">empty</span>;
  return (
    <>
      <code>{value}</code>
      {encoding === "base64" && <span className="tag-bytes">base64</span>}
    </>
  );
}

function describeSchema({ schema_id, schema_version }: TaskRecord): string {
  if (schema_id === null) return "none";
  return `id ${schema_id}, ${schema_version === null ? "version not known" : `version ${schema_version}`}`;
}
