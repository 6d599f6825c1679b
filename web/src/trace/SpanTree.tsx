import { ChevronRight, CircleAlert } from "lucide-react";
import { useRef, useState } from "react";
import { duration, useI18n } from "../i18n";
import { visibleRows, type SpanRow } from "./spans";

interface Props {
  rows: SpanRow[];
  chosen: string | undefined;
  onChoose: (id: string) => void;
}

/** The spans as a tree beside a time line. Keys as in any tree: arrows move, open and close. */
export function SpanTree({ rows, chosen, onChoose }: Props) {
  const { t, language } = useI18n();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const tree = useRef<HTMLUListElement>(null);
  const shown = visibleRows(rows, closed);

  const toggle = (id: string, close: boolean) => {
    const next = new Set(closed);
    if (close) next.add(id);
    else next.delete(id);
    setClosed(next);
  };
  const choose = (id: string | undefined) => {
    if (!id) return;
    onChoose(id);
    tree.current?.querySelector<HTMLElement>(`[data-span="${CSS.escape(id)}"]`)?.focus();
  };
  const press = (event: React.KeyboardEvent, row: SpanRow, at: number) => {
    const id = row.span.span_id;
    const isClosed = closed.has(id);
    const act: Record<string, () => void> = {
      ArrowDown: () => choose(shown[at + 1]?.span.span_id),
      ArrowUp: () => choose(shown[at - 1]?.span.span_id),
      Home: () => choose(shown[0]?.span.span_id),
      End: () => choose(shown.at(-1)?.span.span_id),
      ArrowRight: () => (isClosed ? toggle(id, false) : row.hasChildren && choose(shown[at + 1]?.span.span_id)),
      ArrowLeft: () => (row.hasChildren && !isClosed ? toggle(id, true) : choose(row.parent)),
      Enter: () => choose(id),
      " ": () => choose(id),
    };
    const action = act[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  return (
    <ul ref={tree} role="tree" aria-label={t.spans} className="-mx-1.5">
      {shown.map((row, at) => {
        const { span } = row;
        const on = span.span_id === chosen;
        const failed = /ERROR/i.test(span.status ?? "");
        return (
          <li
            key={span.span_id}
            role="treeitem"
            data-span={span.span_id}
            aria-level={row.depth + 1}
            aria-selected={on}
            aria-expanded={row.hasChildren ? !closed.has(span.span_id) : undefined}
            tabIndex={on ? 0 : -1}
            onClick={() => choose(span.span_id)}
            onKeyDown={(event) => press(event, row, at)}
            className={`grid cursor-pointer grid-cols-[minmax(0,1fr)_4rem] items-center gap-x-3 rounded-s px-1.5 py-1.5 text-sm sm:grid-cols-[minmax(0,3fr)_minmax(0,2fr)_4rem] ${on ? "bg-accent-soft" : "hover:bg-hover"}`}
          >
            <span className="flex min-w-0 items-center gap-1" style={{ paddingInlineStart: `${Math.min(row.depth, 8) * 0.9}rem` }}>
              <span
                aria-hidden
                className="grid size-5 shrink-0 place-items-center text-quiet"
                onClick={(event) => {
                  if (!row.hasChildren) return;
                  event.stopPropagation();
                  toggle(span.span_id, !closed.has(span.span_id));
                }}
              >
                {row.hasChildren && <ChevronRight size={14} className={closed.has(span.span_id) ? "rtl:-scale-x-100" : "rotate-90"} />}
              </span>
              {failed && <CircleAlert size={14} className="shrink-0 text-danger" role="img" aria-label={span.status} />}
              <span className="truncate">{span.name}</span>
              {span.type && span.type !== "UNKNOWN" && <span className="ms-1 shrink-0 rounded-s border border-line px-1 text-[0.6875rem] text-quiet">{span.type.toLowerCase()}</span>}
            </span>
            <span className="relative hidden h-2 overflow-hidden rounded-full bg-sunken sm:block" aria-hidden>
              <span
                className={`absolute inset-y-0 min-w-0.5 rounded-full ${failed ? "bg-danger" : "bg-accent"}`}
                style={{ insetInlineStart: `${row.start * 100}%`, width: `${row.length * 100}%` }}
              />
            </span>
            <span className="text-end text-xs text-quiet tabular-nums">{duration(t, language, span.duration_ms)}</span>
          </li>
        );
      })}
    </ul>
  );
}
