import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "./client";

const beginning = queryOptions({ queryKey: ["agents"], queryFn: api.agents, staleTime: 60_000 });

/** What there is to talk to. */
export const agentsQuery = queryOptions({ ...beginning, select: (page) => page.items });

/** Whether this person may see everybody's traces. */
export const mayTraceQuery = queryOptions({ ...beginning, select: (page) => page.scopes.includes("traces") });

/** The conversations found, page by page. */
export const conversationsQuery = (query: string) =>
  infiniteQueryOptions({
    queryKey: ["conversations", query],
    queryFn: ({ pageParam, signal }) => api.conversations(query, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
  });
