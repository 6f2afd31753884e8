import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";
import { GatewayAway, isPassing } from "../api/problems";
import { getTask, isOpen, type TaskName } from "../api/tasks";
import { useGatewayLook } from "../app/gateway";
import { useTask } from "./useTask";

const OPEN_EVERY_MS = 5_000;
const RETRY_EVERY_MS = 3_000;

/**
 * A task as the view has it; while it has no outcome it is followed, and read again as soon as there is one.
 *
 * @param position what the view must have before it answers: that of a task that was just accepted.
 * @returns among others `readOnce`, which reads it again, once the view has what stands at a position.
 */
export function useWholeTask({ taskId, agentId }: TaskName, position: string | undefined) {
  const awaited = useRef(position);
  const query = useQuery({
    queryKey: ["task", agentId, taskId],
    queryFn: ({ signal }) => getTask({ taskId, agentId }, { position: awaited.current, signal }),
    refetchInterval: ({ state: { data, error } }) => {
      if (isPassing(error)) return RETRY_EVERY_MS;
      return data !== undefined && isOpen(data.summary.state) ? OPEN_EVERY_MS : false;
    },
  });
  const summary = query.data?.summary;
  const followed = summary !== undefined && isOpen(summary.state) ? summary.positions.request : null;
  const live = useTask({ taskId, agentId, position: followed });
  const outcomeAt = live.outcome?.position;
  const { error, refetch } = query;
  const readOnce = useCallback(
    (at: string) => {
      awaited.current = at;
      void refetch();
    },
    [refetch],
  );
  useEffect(() => {
    if (outcomeAt !== undefined) readOnce(outcomeAt);
  }, [outcomeAt, readOnce]);
  const look = useGatewayLook();
  useEffect(() => {
    if (error instanceof GatewayAway) look();
  }, [error, look]);
  return { task: query.data, error, retry: () => void refetch(), live, readOnce };
}
