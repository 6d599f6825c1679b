import { useInfiniteQuery, useQuery, useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { ArrowUp, PanelLeft } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "../api/client";
import { failureOf } from "../api/http";
import type { Page, TraceRow } from "../api/types";
import { useApp } from "../app/context";
import { go } from "../app/router";
import { useT } from "../i18n";
import { Button, IconButton } from "../ui/controls";
import { askedFor, isNarrowed } from "./filters";
import { TraceFilters } from "./TraceFilters";
import { TraceRows } from "./TraceRows";

interface Props {
  /** The address's query: it holds all filters, so that a list can be sent to somebody. */
  search: string;
  onMenu?: () => void;
}

const everySoOften = 4000;

/** All traces that match, newest first. New ones come by themselves while nobody reads further down. */
export default function TracesPage({ search, onMenu }: Props) {
  const t = useT();
  const [live, setLive] = useState(true);
  const [atTop, setAtTop] = useState(true);
  const scroller = useRef<HTMLElement>(null);
  const queries = useQueryClient();
  const key = ["traces", search];
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => api.traces(askedFor(search, new Date()), 50, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: ({ state }) => (live && atTop && state.data?.pages.length === 1 ? everySoOften : false),
    // Who has stopped it reads; coming back to the tab must not move the rows either.
    refetchOnWindowFocus: live,
    refetchOnReconnect: live,
  });
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  const held = !atTop || (list.data?.pages.length ?? 0) > 1;
  const newest = useQuery({
    queryKey: ["newest trace", search],
    queryFn: ({ signal }) => api.traces(askedFor(search, new Date()), 1, undefined, signal),
    enabled: live && held,
    refetchInterval: everySoOften,
  });
  const head = newest.data?.items[0]?.trace_id;
  const missed = live && held && head !== undefined && rows.length > 0 && rows.every((row) => row.trace_id !== head);

  useEffect(() => {
    document.title = `${t.traces} · Thumbprint`;
  }, [t]);

  useSpokenCount(search, list.isSuccess, rows.length, list.hasNextPage);

  const showNewest = () => {
    queries.setQueryData<InfiniteData<Page<TraceRow>, string | undefined>>(key, (data) => data && { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) });
    scroller.current?.scrollTo({ top: 0 });
    // The button goes away; from the list, Tab leads to the newest.
    scroller.current?.querySelector<HTMLElement>("ul")?.focus({ preventScroll: true });
    void list.refetch();
  };
  return (
    <main ref={scroller} className="min-h-0 flex-1 overflow-y-auto" onScroll={(event) => setAtTop(event.currentTarget.scrollTop < 80)}>
      <div className="mx-auto max-w-6xl px-4 pb-12 sm:px-6" id="conversation" tabIndex={-1}>
        <header className="flex min-h-14 items-center gap-3">
          {onMenu && (
            <IconButton label={t.openSidebar} onClick={onMenu} className="-ms-2">
              <PanelLeft size={18} className="rtl:-scale-x-100" />
            </IconButton>
          )}
          <h1 className="font-serif text-3xl tracking-tight">{t.traces}</h1>
          <button
            type="button"
            aria-pressed={live}
            onClick={() => setLive(!live)}
            className="ms-auto inline-flex min-h-9 items-center gap-2 rounded-full border border-line bg-raised px-3.5 text-sm hover:bg-hover pointer-coarse:min-h-11"
          >
            <span className={`size-2 rounded-full ${live ? "dot bg-accent" : "bg-edge"}`} aria-hidden />
            {t.live}
          </button>
        </header>
        <TraceFilters search={search} onChange={(changed) => go({ page: "traces", search: changed }, "replace")} />
        {missed && (
          <div className="sticky top-2 z-10 mt-3 flex justify-center">
            <Button look="primary" className="shadow-high" onClick={showNewest}>
              <ArrowUp size={15} aria-hidden />
              {t.newTraces}
            </Button>
          </div>
        )}
        {list.isPending && (
          <p role="status" className="mt-6 text-quiet">
            {t.loading}
          </p>
        )}
        {list.isError && (
          <div role="alert" className="mt-6 rounded-m bg-danger-soft px-4 py-3 text-sm text-danger">
            <p>
              {t.tracesFailed} {failureOf(list.error).text}
            </p>
            <Button className="mt-2 !text-ink" onClick={() => void list.refetch()}>
              {t.retry}
            </Button>
          </div>
        )}
        {list.isSuccess && rows.length === 0 && (
          <div className="mt-10 text-center text-quiet">
            <p>{isNarrowed(search) ? t.noTracesMatch : t.noTraces}</p>
            {isNarrowed(search) ? (
              <Button className="mt-3" onClick={() => go({ page: "traces", search: "" }, "replace")}>
                {t.clearFilters}
              </Button>
            ) : (
              <p className="mt-1 text-sm">{t.noTracesWhy}</p>
            )}
          </div>
        )}
        <TraceRows rows={rows} search={search} />
        {list.hasNextPage && (
          <Button className="mt-4 w-full" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {t.loadMore}
          </Button>
        )}
      </div>
    </main>
  );
}

/** Tells a screen reader what a changed filter found; not what comes in by itself. */
function useSpokenCount(search: string, ready: boolean, count: number, more: boolean) {
  const t = useT();
  const { notices } = useApp();
  const said = useRef(search);
  useEffect(() => {
    if (!ready || said.current === search) return;
    said.current = search;
    notices.say(count === 0 ? t.noTracesMatch : t.tracesFound(count, more));
  }, [search, ready, count, more, notices, t]);
}
