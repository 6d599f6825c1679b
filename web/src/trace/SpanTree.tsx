import { ChevronRight, CircleAlert } from "lucide-react";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { duration, useI18n } from "../i18n";
import { ancestors, failures, hasFailed, visibleRows, type SpanForest, type SpanRow } from "./spans";

interface Props {
  forest: SpanForest;
  chosen: string | undefined;
  onChoose: (id: string) => void;
  /** A span was picked to be read, by click or Enter, and not only passed by. */
  onPick: () => void;
}

/** Name, bar, duration; on a phone the bar is below the name. */
const columns = "grid grid-cols-[minmax(0,1fr)_auto] gap-x-3 px-1.5 sm:grid-cols-[minmax(0,3fr)_minmax(0,2fr)_4rem]";

/** How many rows are drawn before more are asked for, beyond the chosen one. */
const step = 500;

/** Deeper spans are not indented further, or there would be no room for names; their level is written. */
const deepest = 6;

/** The spans as a tree beside a time line. Keys as in any tree: arrows move, open and close. */
export function SpanTree({ forest: { rows, whole }, chosen, onChoose, onPick }: Props) {
  const { t, language } = useI18n();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState(step);
  const tree = useRef<HTMLUListElement>(null);
  const shown = useMemo(() => visibleRows(rows, closed), [rows, closed]);
  const drawn = Math.max(asked, shown.findIndex(({ span }) => span.span_id === chosen) + step);
  const failed = useMemo(() => failures(rows), [rows]);
  const parents = useMemo(() => rows.filter((row) => row.hasChildren), [rows]);

  // A link to a span leads to its row, wherever in the tree it is.
  useEffect(() => {
    const row = tree.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    const frame = tree.current?.parentElement;
    if (row && frame && row.offsetTop + row.offsetHeight > frame.clientHeight) frame.scrollTop = row.offsetTop - frame.clientHeight / 2;
  }, []);

  const toggle = (id: string, close: boolean) => {
    const next = new Set(closed);
    if (close) next.add(id);
    else next.delete(id);
    setClosed(next);
    // The chosen span must not disappear with its ancestor: keys would lead nowhere.
    if (close && chosen && ancestors(rows, chosen).includes(id)) onChoose(id);
  };
  const choose = (id: string | undefined) => {
    if (!id) return;
    flushSync(() => onChoose(id)); // its row may have to be drawn before it can have the focus
    tree.current?.querySelector<HTMLElement>(`[data-span="${CSS.escape(id)}"]`)?.focus();
  };
  const pick = (id: string) => {
    choose(id);
    onPick();
  };
  const nextFailure = () => {
    const next = failed[(failed.findIndex(({ span_id }) => span_id === chosen) + 1) % failed.length];
    if (!next) return;
    const above = ancestors(rows, next.span_id);
    setClosed(new Set([...closed].filter((id) => !above.includes(id))));
    choose(next.span_id);
  };
  // Rows have no handlers of their own, so that of a thousand only those are drawn again that changed.
  const click = (event: React.MouseEvent) => {
    const id = idOf(event.target);
    if (id === undefined) return;
    if ((event.target as Element).closest("[data-fold]")) toggle(id, !closed.has(id));
    else pick(id);
  };
  const press = (event: React.KeyboardEvent) => {
    const id = idOf(event.target);
    const at = shown.findIndex(({ span }) => span.span_id === id);
    const row = shown[at];
    if (id === undefined || !row || event.ctrlKey || event.metaKey || event.altKey) return;
    const isClosed = closed.has(id);
    const act: Record<string, () => void> = {
      ArrowDown: () => choose(shown[at + 1]?.span.span_id),
      ArrowUp: () => choose(shown[at - 1]?.span.span_id),
      Home: () => choose(shown[0]?.span.span_id),
      End: () => choose(shown.at(-1)?.span.span_id),
      ArrowRight: () => (isClosed ? toggle(id, false) : row.hasChildren && choose(shown[at + 1]?.span.span_id)),
      ArrowLeft: () => (row.hasChildren && !isClosed ? toggle(id, true) : choose(row.parent)),
      Enter: () => pick(id),
      " ": () => pick(id),
    };
    const action = act[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  const quietButton = "min-h-6 rounded-s text-xs text-quiet underline underline-offset-2 hover:text-ink pointer-coarse:min-h-11";
  return (
    <>
      <div className="mb-2 flex flex-wrap items-center gap-x-4 text-xs text-quiet">
        <span className="me-auto tabular-nums">{t.spanCount(rows.length, new Intl.NumberFormat(language).format(rows.length))}</span>
        {failed.length > 0 && (
          <button type="button" className={`${quietButton} inline-flex items-center gap-1 !text-danger`} onClick={nextFailure}>
            <CircleAlert size={13} aria-hidden />
            {t.failedSpans(failed.length)}
          </button>
        )}
        {parents.length > 1 && (
          <button
            type="button"
            className={quietButton}
            onClick={() => {
              if (closed.size > 0) return setClosed(new Set());
              setClosed(new Set(parents.map(({ span }) => span.span_id)));
              if (rows[0]) onChoose(rows[0].span.span_id);
            }}
          >
            {closed.size > 0 ? t.expandAll : t.collapseAll}
          </button>
        )}
      </div>
      <div className="relative -mx-1.5 max-h-[70vh] overflow-y-auto">
        <Axis whole={whole} />
        {/* oxlint-disable-next-line jsx-a11y/click-events-have-key-events */}
        <ul ref={tree} role="tree" aria-label={t.spans} onClick={click} onKeyDown={press}>
          {shown.slice(0, drawn).map((row) => (
            <Row key={row.span.span_id} row={row} on={row.span.span_id === chosen} isClosed={closed.has(row.span.span_id)} />
          ))}
        </ul>
        {shown.length > drawn && (
          <button type="button" className={`${quietButton} px-1.5 py-2`} onClick={() => setAsked(drawn + 2 * step)}>
            {t.loadMore} ({new Intl.NumberFormat(language).format(shown.length - drawn)})
          </button>
        )}
      </div>
    </>
  );
}

const idOf = (target: EventTarget): string | undefined => (target as Element).closest<HTMLElement>("[data-span]")?.dataset.span;

interface RowProps {
  row: SpanRow;
  on: boolean;
  isClosed: boolean;
}

const Row = memo(function Row({ row, on, isClosed }: RowProps) {
  const { t, language } = useI18n();
  const { span } = row;
  return (
    <li
      role="treeitem"
      data-span={span.span_id}
      aria-level={row.depth + 1}
      aria-posinset={row.place}
      aria-setsize={row.siblings}
      aria-selected={on}
      aria-expanded={row.hasChildren ? !isClosed : undefined}
      tabIndex={on ? 0 : -1}
      className={`${columns} cursor-pointer items-center gap-y-1 rounded-s py-1.5 text-sm -outline-offset-2 ${on ? "bg-accent-soft" : "hover:bg-hover"}`}
    >
      <span
        className="flex min-w-0 items-center gap-1 overflow-hidden ps-[calc(var(--indent)*0.55rem)] sm:ps-[calc(var(--indent)*0.85rem)]"
        style={{ "--indent": Math.min(row.depth, deepest) } as React.CSSProperties}
      >
        <span aria-hidden data-fold={row.hasChildren || undefined} className="-my-1 grid size-6 shrink-0 place-items-center text-quiet pointer-coarse:size-8">
          {row.hasChildren && <ChevronRight size={14} className={isClosed ? "rtl:-scale-x-100" : "rotate-90"} />}
        </span>
        {row.depth > deepest && (
          <span aria-hidden className="shrink-0 text-[0.6875rem] text-quiet tabular-nums">
            {row.depth}
          </span>
        )}
        {hasFailed(span) && <CircleAlert size={14} className="shrink-0 text-danger" role="img" aria-label={t.failed} />}
        <span className="truncate" title={span.name}>
          {span.name}
        </span>
        {span.type && span.type !== "UNKNOWN" && <span className="ms-1 shrink-0 rounded-s border border-line px-1 text-[0.6875rem] text-quiet max-[25rem]:hidden">{span.type.toLowerCase()}</span>}
      </span>
      <span className="relative order-last col-span-2 h-1.5 overflow-hidden rounded-full bg-sunken sm:order-none sm:col-span-1 sm:h-2.5" aria-hidden>
        <span
          className={`absolute inset-y-0 min-w-0.5 rounded-full ${hasFailed(span) ? "bg-danger" : "bg-accent"}`}
          style={{ insetInlineStart: `min(${row.start * 100}%, 100% - 2px)`, width: `${row.length * 100}%` }}
        />
      </span>
      <span className="text-end text-xs text-quiet tabular-nums">{duration(t, language, span.duration_ms)}</span>
    </li>
  );
});

/** The time that the bars are drawn against. */
function Axis({ whole }: { whole: number }) {
  const { t, language } = useI18n();
  return (
    <div aria-hidden className={`${columns} sticky top-0 z-10 hidden border-b border-line bg-raised pb-1 text-[0.6875rem] text-quiet tabular-nums sm:grid`}>
      <span />
      <span className="flex justify-between">
        {[0, 0.5, 1].map((part) => (
          <span key={part}>{duration(t, language, part * whole)}</span>
        ))}
      </span>
      <span />
    </div>
  );
}
