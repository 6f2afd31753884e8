/** All tasks that a filter means as a file, page by page. No React in it. */

import { isPassing } from "../api/problems";
import { listTasks, type TaskFilter, type TaskPage, type TaskSummary } from "../api/tasks";
import { type Cell, toCsvLine } from "../text/csv";

export type ExportKind = "ndjson" | "csv";

/** How far an export is. */
export interface ExportProgress {
  tasks: number;
  /** The moment up to which was looked, in ISO 8601; null before the first page. */
  backTo: string | null;
}

const PAGE = 500;
const TRIES = 5;
const FIRST_PAUSE_MS = 500;

const COLUMNS: readonly [string, (task: TaskSummary) => Cell][] = [
  ["task_id", (task) => task.task_id],
  ["agent_id", (task) => task.agent_id],
  ["action", (task) => task.action],
  ["state", (task) => task.state],
  ["requested_at", (task) => task.requested_at],
  ["started_at", (task) => task.started_at],
  ["answered_at", (task) => task.answered_at],
  ["deadline", (task) => task.deadline],
  ["wait_ms", (task) => task.wait_ms],
  ["run_ms", (task) => task.run_ms],
  ["attempt", (task) => task.attempt],
  ["error_code", (task) => task.error?.code ?? null],
  ["error_message", (task) => task.error?.message ?? null],
  ["error_retryable", (task) => task.error?.retryable ?? null],
  ["cancel_requested_at", (task) => task.cancel_requested_at],
  ["cancel_reason", (task) => task.cancel_reason],
  ["parent_task_id", (task) => task.parent?.task_id ?? null],
  ["parent_agent_id", (task) => task.parent?.agent_id ?? null],
  ["replay_of_task_id", (task) => task.replay_of?.task_id ?? null],
  ["redrive_of_task_id", (task) => task.redrive_of?.task_id ?? null],
  ["request_position", (task) => task.positions.request],
  ["response_position", (task) => task.positions.response],
];

const WRITERS: Record<ExportKind, { head: string; write: (task: TaskSummary) => string }> = {
  ndjson: { head: "", write: (task) => `${JSON.stringify(task)}\n` },
  csv: {
    head: toCsvLine(COLUMNS.map(([name]) => name)),
    write: (task) => toCsvLine(COLUMNS.map(([, read]) => read(task))),
  },
};
const TYPES: Record<ExportKind, string> = { ndjson: "application/x-ndjson", csv: "text/csv;charset=utf-8" };

/** A file that grows by a page at a time; after a failure it goes on where it was. */
export class TaskExport {
  private readonly parts: Blob[];
  private cursor: string | null = null;
  private progress: ExportProgress = { tasks: 0, backTo: null };
  /** Whether nothing is left to read. */
  isDone = false;

  constructor(
    private readonly filter: TaskFilter,
    private readonly kind: ExportKind,
    private readonly onProgress: (progress: ExportProgress) => void,
    private readonly pauseMs = FIRST_PAUSE_MS,
  ) {
    this.parts = [new Blob([WRITERS[kind].head])];
  }

  /** Read until the end, or until the signal. Rejects where the gateway does not answer for long, or refuses. */
  async run(signal: AbortSignal): Promise<void> {
    while (!this.isDone && !signal.aborted) {
      const page = await this.readPage(signal);
      if (page === null) return;
      // a blob may lie on disk: the page's memory is free again
      this.parts.push(new Blob([page.tasks.map(WRITERS[this.kind].write).join("")]));
      this.cursor = page.cursor;
      this.isDone = page.cursor === null;
      const backTo = page.searched_to ?? page.tasks.at(-1)?.requested_at ?? this.progress.backTo;
      this.progress = { tasks: this.progress.tasks + page.tasks.length, backTo };
      this.onProgress(this.progress);
    }
  }

  /** What there is. */
  get file(): Blob {
    return new Blob(this.parts, { type: TYPES[this.kind] });
  }

  private async readPage(signal: AbortSignal): Promise<TaskPage | null> {
    let pauseMs = this.pauseMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await listTasks(this.filter, { cursor: this.cursor, limit: PAGE, signal });
      } catch (error) {
        if (signal.aborted) return null;
        if (attempt === TRIES || !(error instanceof Error && isPassing(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        pauseMs *= 2;
      }
    }
  }
}

/** Have the browser keep a file. */
export function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
