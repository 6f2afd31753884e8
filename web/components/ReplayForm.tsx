import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { GatewayAway, GatewayProblem } from "../api/problems";
import { createReplay, REPLAY_OUTCOMES, type ReplayOutcome, type ReplayWish } from "../api/replays";
import { useGatewayLook } from "../app/gateway";
import { findIdFault } from "../text/ids";
import { nameOutcome } from "../text/replays";
import { toMoment } from "../text/span";
import { findStretchFault, type StretchDraft, toStretches } from "../text/stretches";
import { Choice } from "./Choice";
import { Field } from "./Field";
import { OffsetFields } from "./OffsetFields";
import { type Span, SpanField } from "./SpanField";

const KINDS = [
  { value: "inspect", label: "Inspect" },
  { value: "reprocess", label: "Reprocess" },
] as const;

const DEADLINES = [
  { value: "drop", label: "Drop" },
  { value: "shift", label: "Shift" },
  { value: "keep", label: "Keep" },
] as const;

interface Draft extends Span {
  kind: "inspect" | "reprocess";
  agent: string;
  task: string;
  action: string;
  stretches: readonly StretchDraft[];
  outcomes: readonly ReplayOutcome[];
  rate: string;
  deadlines: "drop" | "keep" | "shift";
}

const EMPTY: Draft = {
  kind: "inspect",
  agent: "",
  task: "",
  action: "",
  stretches: [],
  outcomes: [],
  rate: "200",
  deadlines: "drop",
  since: "1h",
};

/** Which tasks of the past, and what shall become of them. It counts first: nothing is published by it. */
export function ReplayForm() {
  const [draft, setDraft] = useState(EMPTY);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const lookAtGateway = useGatewayLook();
  const creating = useMutation({
    mutationFn: createReplay,
    networkMode: "always",
    onError: lookAtGateway,
    onSuccess: (replay) => {
      void queries.invalidateQueries({ queryKey: ["replays"] });
      void navigate({ to: "/replay", search: { replay: replay.replay_id } });
    },
  });
  const fault = creating.isPending ? "Asking…" : findFault(draft);
  const refused = creating.error instanceof GatewayProblem ? creating.error.fields : {};
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part });
    if (creating.isError) creating.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (fault === null) creating.mutate(toWish(draft, Date.now()));
  };
  const toggle = (outcome: ReplayOutcome) =>
    change({ outcomes: REPLAY_OUTCOMES.filter((one) => (one === outcome) !== draft.outcomes.includes(one)) });
  return (
    <form className="card form" onSubmit={submit} noValidate aria-label="New replay">
      <Group name="What">
        <Choice name="What" value={draft.kind} options={KINDS} onChange={(kind) => change({ kind })} />
        <p className="quiet">
          {draft.kind === "inspect"
            ? "Counts the tasks by action and outcome. Nothing is published."
            : "Counts the tasks first. Once you have seen that, it publishes them again as new tasks."}
        </p>
      </Group>
      <Field
        label="Agent ID"
        isOptional
        hint="Without one, the tasks of all agents."
        fault={(draft.agent !== "" && findIdFault(draft.agent)) || refused.agent_id}
      >
        {(control) => (
          <input
            {...control}
            className="input code"
            value={draft.agent}
            onChange={(event) => change({ agent: event.target.value })}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </Field>
      <Field
        label="Task ID"
        isOptional
        hint="Without one, tasks of every name."
        fault={(draft.task !== "" && findIdFault(draft.task)) || refused.task_id}
      >
        {(control) => (
          <input
            {...control}
            className="input code"
            value={draft.task}
            onChange={(event) => change({ task: event.target.value })}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </Field>
      <Field label="Action" isOptional hint="Without one, tasks of each kind." fault={refused.action}>
        {(control) => (
          <input
            {...control}
            className="input code"
            value={draft.action}
            onChange={(event) => change({ action: event.target.value })}
            autoComplete="off"
            spellCheck={false}
            maxLength={255}
          />
        )}
      </Field>
      <Group name="Stored">
        <SpanField since={draft.since} until={draft.until} onChange={({ since, until }) => change({ since, until })} />
      </Group>
      <Group name="Offsets of the requests">
        <OffsetFields rows={draft.stretches} onChange={(stretches) => change({ stretches })} />
      </Group>
      <Group name="Outcome">
        {REPLAY_OUTCOMES.map((outcome) => (
          <button
            key={outcome}
            type="button"
            className="chip"
            aria-pressed={draft.outcomes.includes(outcome)}
            onClick={() => toggle(outcome)}
          >
            {nameOutcome(outcome)}
          </button>
        ))}
        {draft.outcomes.length === 0 && <span className="quiet">any</span>}
      </Group>
      {draft.kind === "reprocess" && (
        <>
          <Field
            label="Tasks a second"
            isOptional
            hint="At most. Without a number, as fast as can be."
            fault={findRateFault(draft.rate) ?? refused.rate_per_s}
          >
            {(control) => (
              <input
                {...control}
                className="input"
                inputMode="decimal"
                value={draft.rate}
                onChange={(event) => change({ rate: event.target.value })}
                autoComplete="off"
              />
            )}
          </Field>
          <Group name="Old deadlines">
            <Choice
              name="Old deadlines"
              value={draft.deadlines}
              options={DEADLINES}
              onChange={(deadlines) => change({ deadlines })}
            />
          </Group>
        </>
      )}
      <div className="form-foot">
        <button type="submit" className="button button-main" aria-disabled={fault !== null}>
          Count
        </button>
        <p className={creating.error ? "field-fault" : "quiet"} role={creating.error ? "alert" : undefined}>
          {creating.error ? explain(creating.error) : (fault ?? "Nothing is published by this.")}
        </p>
      </div>
    </form>
  );
}

function Group({ name, children }: { name: string; children: ReactNode }) {
  return (
    <fieldset className="form-group">
      <legend>{name}</legend>
      <div className="form-row">{children}</div>
    </fieldset>
  );
}

/** Why it cannot be sent; null if it can. */
function findFault({ agent, task, rate, kind, since, until, stretches }: Draft): string | null {
  if (agent !== "" && findIdFault(agent) !== null) return `The agent ID ${findIdFault(agent)}.`;
  if (task !== "" && findIdFault(task) !== null) return `The task ID ${findIdFault(task)}.`;
  const fault = stretches.map((row) => findStretchFault(row, stretches)).find((one) => one !== null);
  if (fault) return fault;
  if (kind === "reprocess" && findRateFault(rate) !== null) return "The rate is no number of tasks.";
  if (since && until && Date.parse(since) >= Date.parse(until)) return "The time ends before it begins.";
  return null;
}

function findRateFault(rate: string): string | null {
  const value = Number(rate);
  return rate.trim() === "" || (value >= 0.01 && value <= 1_000_000) ? null : "must be a number from 0.01 to 1,000,000";
}

/** What the gateway is asked for. `now` in ms since 1970. */
function toWish(draft: Draft, now: number): ReplayWish {
  const { kind, agent, task, action, outcomes, rate, deadlines } = draft;
  const [from, to] = [toMoment(draft.since, now), toMoment(draft.until, now)];
  const partitions = toStretches(draft.stretches);
  return {
    kind,
    ...(agent === "" ? {} : { agent_id: agent }),
    ...(task === "" ? {} : { task_id: task }),
    ...(action === "" ? {} : { action }),
    ...(partitions.length === 0 ? {} : { partitions }),
    ...(outcomes.length === 0 ? {} : { statuses: [...outcomes] }),
    ...(from === undefined ? {} : { since: from }),
    ...(to === undefined ? {} : { until: to }),
    ...(kind === "inspect" ? {} : { deadlines, rate_per_s: rate.trim() === "" ? null : Number(rate) }),
  };
}

function explain(error: Error): string {
  if (error instanceof GatewayAway) return "The gateway does not answer. Look at the list before you try again.";
  return error.message;
}
