import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { readGroups } from "../api/letters";
import { usePolled } from "../app/polling";
import { Choice } from "../components/Choice";
import { Freshness } from "../components/Freshness";
import { LetterDetail } from "../components/LetterDetail";
import { LetterGroups } from "../components/LetterGroups";
import { LetterList } from "../components/LetterList";
import { Page } from "../components/Page";
import { ReadTrouble } from "../components/ReadTrouble";
import { SearchField } from "../components/SearchField";
import { type LetterSearch, REDRIVEN, readRedriven, toFilter } from "../text/letters";
import { countOf } from "../text/numbers";

const EVERY_MS = 10_000;

/** What no handler could handle: by cause, then the letters of one, then one of them. */
export function DeadLettersPage() {
  const search = useSearch({ from: "/dead-letters" });
  const { letter, cause } = search;
  if (letter !== undefined) {
    return (
      <Page title="Dead letter" tools={<Trail search={search} />}>
        <LetterDetail key={letter} position={letter} />
      </Page>
    );
  }
  if (cause !== undefined) {
    return (
      <Page title="Dead letters of a cause" tools={<Trail search={search} />}>
        <Filters search={search} />
        <LetterList key={JSON.stringify(search)} search={{ ...search, cause }} />
      </Page>
    );
  }
  return <Causes search={search} />;
}

function Causes({ search }: { search: LetterSearch }) {
  const filter = toFilter(search);
  const query = usePolled({
    key: ["letters", "groups", filter],
    read: (signal) => readGroups(filter, signal),
    everyMs: EVERY_MS,
  });
  const groups = query.data ?? [];
  return (
    <Page
      title="Dead letters"
      tools={
        <div className="tools">
          <Freshness query={query} />
        </div>
      }
    >
      <Filters search={search} />
      <ReadTrouble what="The dead letters" error={query.error} hasOlder={query.data !== undefined} />
      {groups.length > 0 ? (
        <>
          <p className="news quiet">{countOf(groups.length, "cause")}, the most frequent first</p>
          <LetterGroups groups={groups} search={search} />
        </>
      ) : (
        <p className="card empty">{query.data === undefined ? "Asking…" : nothing(search)}</p>
      )}
    </Page>
  );
}

/** The way back, from what is narrow to what is wide. */
function Trail({ search: { letter, cause, ...rest } }: { search: LetterSearch }) {
  return (
    <nav className="trail" aria-label="Where this is">
      <Link to="/dead-letters" search={rest}>
        All causes
      </Link>
      {letter !== undefined && cause !== undefined && (
        <Link to="/dead-letters" search={{ ...rest, cause }}>
          This cause
        </Link>
      )}
    </nav>
  );
}

function Filters({ search }: { search: LetterSearch }) {
  const navigate = useNavigate({ from: "/dead-letters" });
  const { agent, redriven, ...rest } = search;
  const go = (next: LetterSearch) => void navigate({ search: next, replace: true });
  return (
    <search className="filters">
      <SearchField
        name="Agent ID"
        keysDo="Filter by agent (Dead letters)"
        value={agent ?? ""}
        onChange={(text) =>
          go({ ...rest, ...(redriven === undefined ? {} : { redriven }), ...(text === "" ? {} : { agent: text }) })
        }
      />
      <Choice
        name="Redriven or not"
        value={readRedriven(redriven)}
        options={REDRIVEN}
        onChange={(next) =>
          go({ ...rest, ...(agent === undefined ? {} : { agent }), ...(next === "no" ? {} : { redriven: next }) })
        }
      />
    </search>
  );
}

function nothing(search: LetterSearch): string {
  if (search.agent !== undefined) return "There is none of this agent.";
  return readRedriven(search.redriven) === "no"
    ? "No dead letter waits. A task that its handler fails for good, or a record that is none, appears here."
    : "There is none.";
}
