import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { api } from "../api/client";

const key = ["shares"];

/** The person's links to conversations, the newest first. */
export function useLinks() {
  return useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => api.shares(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** Says that the links have changed. */
export function useLinksChanged(): () => Promise<void> {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: key });
}
