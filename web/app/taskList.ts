/** The list of tasks: page after page from the newest, and what came since, which waits until it is wanted. */

import { type InfiniteData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { GatewayAway, isPassing } from "../api/problems";
import { keyOf, listTasks, type TaskFilter, type TaskPage, type TaskSummary } from "../api/tasks";
import { useGatewayLook } from "./gateway";
import { type TasksSearch, toFilter } from "./taskSearch";

const PAGE = 200;
const NEWS_EVERY_MS = 3_000;
const RETRY_EVERY_MS = 3_000;
/** A list is kept so long for whoever comes back to it. */
const KEPT_MS = 15 * 60_000;
/** A record may come into the view so much later than one that is younger. */
const OVERTAKING_MS = 10_000;
/** Among so many of the newest it is looked for tasks that still change. */
const WATCHED = 100;

interface ListPage extends TaskPage {
  /** As it was asked: what was an hour ago then is so for all pages. */
  filter: TaskFilter;
  /** ms since 1970, by the clock of this machine. */
  askedAt: number;
}
type ListData = InfiniteData<ListPage, Place | null>;
interface Place {
  filter: TaskFilter;
  cursor: string;
}

export type TaskList = ReturnType<typeof useTaskList>;

/** The tasks that a search means. */
export function useTaskList(search: TasksSearch, isPaused: boolean) {
  const client = useQueryClient();
  const key = useMemo(() => ["tasks", search], [search]);
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => readPage(search, pageParam, signal),
    initialPageParam: null as Place | null,
    getNextPageParam: ({ cursor, filter }) => (cursor === null ? undefined : { cursor, filter }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
    structuralSharing: false,
    refetchInterval: ({ state }) => (state.data === undefined && isPassing(state.error) ? RETRY_EVERY_MS : false),
  });
  const renewing = useMutation({
    mutationFn: () => readPage(search, null),
    onSuccess: (page) => client.setQueryData<ListData>(key, { pages: [page], pageParams: [null] }),
  });
  const pages = list.data?.pages;
  const tasks = useMemo(() => pages?.flatMap((page) => page.tasks) ?? [], [pages]);
  const news = useNews({ client, key, search, tasks, first: pages?.[0], isPaused });
  useAwayLook(list.error ?? renewing.error);
  const last = pages?.at(-1);
  return {
    tasks,
    news,
    error: list.error,
    isFirst: list.isPending,
    /** ms since 1970 when its newest page was asked for. */
    askedAt: pages?.[0]?.askedAt,
    hasMore: list.hasNextPage,
    isReadingMore: list.isFetchingNextPage,
    /** Up to which moment was searched, when the last page stopped early. */
    searchedTo: last?.searched_to ?? null,
    readMore: () => void (list.isFetching || list.fetchNextPage()),
    retry: () => void list.refetch(),
    renew: renewing.mutate,
    renewError: renewing.error,
    isRenewing: renewing.isPending,
  };
}

async function readPage(search: TasksSearch, place: Place | null, signal?: AbortSignal): Promise<ListPage> {
  const askedAt = Date.now();
  const filter = place?.filter ?? toFilter(search, askedAt);
  const page = await listTasks(filter, { cursor: place?.cursor ?? null, limit: PAGE, ...(signal ? { signal } : {}) });
  return { ...page, filter, askedAt };
}

interface NewsProps {
  client: ReturnType<typeof useQueryClient>;
  key: readonly unknown[];
  search: TasksSearch;
  tasks: readonly TaskSummary[];
  first: ListPage | undefined;
  isPaused: boolean;
}

/** How many tasks came since; those that are in the list already are brought up to date where they stand. */
function useNews({ client, key, search, tasks, first, isPaused }: NewsProps) {
  const since = first === undefined ? undefined : findSince(tasks, first.askedAt);
  const isOver = first?.filter.until !== undefined && Date.parse(first.filter.until) < Date.now() - OVERTAKING_MS;
  const { data } = useQuery({
    queryKey: ["tasks-news", search, since],
    queryFn: ({ signal }) => {
      const filter = toFilter(search, Date.now());
      const bound = [filter.since, since].filter((one) => one !== undefined).sort();
      return listTasks({ ...filter, since: bound.at(-1) }, { limit: PAGE, signal });
    },
    enabled: since !== undefined && !isOver && !isPaused,
    refetchInterval: NEWS_EVERY_MS,
    staleTime: NEWS_EVERY_MS,
    gcTime: 0,
  });
  const found = data?.tasks;
  useEffect(() => {
    if (found) client.setQueryData<ListData>(key, (list) => list && renewKnown(list, found));
  }, [client, key, found]);
  return useMemo(() => {
    const news = new Set(found?.map(keyOf));
    const oldest = found?.at(-1)?.requested_at ?? "";
    for (const task of tasks) {
      if (task.requested_at < oldest) break; // a list may be long, and news is at its top
      news.delete(keyOf(task));
    }
    return { count: news.size, isMore: data?.cursor != null };
  }, [tasks, found, data]);
}

/** Since when to ask for what is new: far enough back for those that may have changed. */
function findSince(tasks: readonly TaskSummary[], askedAt: number): string {
  const open = tasks.slice(0, WATCHED).findLast(({ answered_at }) => answered_at === null);
  const from = open ?? tasks[0];
  const at = from === undefined ? askedAt - 6 * OVERTAKING_MS : Date.parse(from.requested_at) - OVERTAKING_MS;
  return new Date(at).toISOString();
}

/** The same list, with what has changed of its tasks. */
function renewKnown(list: ListData, found: readonly TaskSummary[]): ListData {
  const changed = new Map(found.map((task) => [keyOf(task), task]));
  const oldest = found.at(-1)?.requested_at ?? "";
  const isNews = (task: TaskSummary) => {
    const next = changed.get(keyOf(task));
    return next !== undefined && JSON.stringify(next) !== JSON.stringify(task);
  };
  const hasNews = ({ tasks }: ListPage) => (tasks[0]?.requested_at ?? "") >= oldest && tasks.some(isNews);
  if (!list.pages.some(hasNews)) return list;
  const pages = list.pages.map((page) =>
    hasNews(page) ? { ...page, tasks: page.tasks.map((task) => changed.get(keyOf(task)) ?? task) } : page,
  );
  return { ...list, pages };
}

/** Where nobody answers, the page's foot says so at once. */
function useAwayLook(error: Error | null): void {
  const look = useGatewayLook();
  useEffect(() => {
    if (error instanceof GatewayAway) look();
  }, [error, look]);
}
