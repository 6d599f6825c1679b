import { useInfiniteQuery } from "@tanstack/react-query";
import { defaultRangeExtractor, useVirtualizer, type VirtualItem } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { conversationsQuery } from "../api/queries";
import { useT } from "../i18n";
import { Button } from "../ui/controls";
import { useApp } from "./context";
import { ConversationRow } from "./ConversationRow";
import { entriesOf, groupByAge, type Entry } from "./groups";
import { useObservable } from "./observable";

/** Entries from the end of what is loaded at which more is asked for: a few screens. */
const ahead = 60;

/** The conversations found, by age. Only those in sight are drawn, however many there are. */
export function History({ query, onOpen }: { query: string; onOpen?: () => void }) {
  const t = useT();
  const { bin } = useApp();
  const deleted = useObservable(bin.ids);
  const list = useInfiniteQuery({ ...conversationsQuery(query), placeholderData: (before) => before });
  const entries = useMemo(
    // As of the moment the list came; it comes again whenever something changes.
    () => entriesOf(groupByAge(list.data?.pages.flatMap((page) => page.items).filter(({ id }) => !deleted.has(id)) ?? [], new Date(list.dataUpdatedAt))),
    [list.data, list.dataUpdatedAt, deleted],
  );
  const { frame, rows, height, measure, hold } = useRows(entries, query);

  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = list;
  const end = rows.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError && end > entries.length - ahead) void fetchNextPage();
  }, [end, entries.length, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);

  const draw = (row: VirtualItem): ReactNode => {
    const entry = entries[row.index];
    if (!entry) return null;
    // By top, not by a transform: that would make each row a layer, and a row's menu would lie under the rows below.
    const place = { ref: measure, "data-index": row.index, className: "absolute inset-x-0", style: { top: row.start } };
    if (!("conversation" in entry)) {
      return (
        <div key={row.key} {...place}>
          <h2 className="px-3.5 pt-4 pb-1 text-xs font-medium text-quiet">{t[entry.age]}</h2>
        </div>
      );
    }
    const { conversation, position, size } = entry;
    const open = hasNextPage && entry.age === entries.at(-1)?.age;
    return (
      // Only to know where the focus inside it is.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
      <li key={row.key} {...place} aria-posinset={position} aria-setsize={open ? -1 : size} onFocus={() => hold(entry.key)} onBlur={() => hold(undefined)}>
        <ConversationRow conversation={conversation} query={query} onOpen={onOpen} />
      </li>
    );
  };

  return (
    <div ref={frame} className="min-h-0 flex-1 overflow-y-auto px-3 pb-4" data-history>
      {list.isError && !isFetchNextPageError && (
        <div className="px-3.5 py-3 text-sm text-quiet">
          <p>{t.listFailed}</p>
          <Button className="mt-2" onClick={() => void list.refetch()}>
            {t.retry}
          </Button>
        </div>
      )}
      {list.isSuccess && entries.length === 0 && <p className="px-3.5 py-3 text-sm text-quiet">{query ? t.noMatches : t.noConversations}</p>}
      <div className="relative" style={{ height }}>
        {ages(rows, entries).map(({ age, heading, items }) => (
          <section key={age} aria-label={t[age]}>
            {heading && draw(heading)}
            <ul>{items.map(draw)}</ul>
          </section>
        ))}
      </div>
      {isFetchNextPageError && (
        <Button look="ghost" className="mt-2 w-full" onClick={() => void fetchNextPage()}>
          {t.loadMore}
        </Button>
      )}
    </div>
  );
}

/** Which entries are drawn and where. `hold` keeps one drawn while it has the focus, also out of sight. */
function useRows(entries: readonly Entry[], query: string) {
  const frame = useRef<HTMLDivElement>(null);
  const [focused, hold] = useState<string>();
  const held = useMemo(() => entries.findIndex(({ key }) => key === focused), [entries, focused]);
  // What it returns changes without a render's notice, so it is read here and not handed on.
  // oxlint-disable-next-line react/incompatible-library
  const virtualizer = useVirtualizer({
    count: entries.length,
    getScrollElement: () => frame.current,
    estimateSize: () => 32,
    getItemKey: (index) => entries[index]?.key ?? index,
    overscan: 12,
    rangeExtractor: (range) => {
      const inSight = defaultRangeExtractor(range);
      return held < 0 || inSight.includes(held) ? inSight : [...inSight, held].toSorted((a, b) => a - b);
    },
  });
  useLayoutEffect(() => {
    if (frame.current) frame.current.scrollTop = 0;
    // Another search begins at its best hit.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [query]);
  return { frame, rows: virtualizer.getVirtualItems(), height: virtualizer.getTotalSize(), measure: virtualizer.measureElement, hold };
}

/** What is drawn, by age, so that each list has its name and its own members. */
function ages(rows: readonly VirtualItem[], entries: readonly Entry[]) {
  const sections: { age: Entry["age"]; heading?: VirtualItem; items: VirtualItem[] }[] = [];
  for (const row of rows) {
    const entry = entries[row.index];
    if (!entry) continue;
    let section = sections.at(-1);
    if (section?.age !== entry.age) sections.push((section = { age: entry.age, items: [] }));
    if ("conversation" in entry) section.items.push(row);
    else section.heading = row;
  }
  return sections;
}
