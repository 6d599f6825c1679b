import { CircleAlert, LoaderCircle, ThumbsDown, ThumbsUp } from "lucide-react";
import type { TraceRow } from "../api/types";
import { linkTo, pathOf } from "../app/router";
import { useRatingWords } from "../feedback/dimensions";
import { duration, useI18n } from "../i18n";
import { OpenInMlflow } from "./OpenInMlflow";
import { lineOf } from "./readable";

interface Props {
  rows: TraceRow[];
  search: string;
}

/** One line a trace on a wide page, a card on a narrow one. Up and down go from one to the next. */
export function TraceRows({ rows, search }: Props) {
  const { t } = useI18n();
  if (rows.length === 0) return null;
  const step = (event: React.KeyboardEvent<HTMLUListElement>) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const links = [...event.currentTarget.querySelectorAll<HTMLElement>("a[data-trace]")];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const next = at < 0 || by === 0 ? undefined : links[at + by];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the links in it are what is interacted with
    <ul aria-label={t.traces} tabIndex={-1} onKeyDown={step} className="mt-4 divide-y divide-line rounded-l border border-line bg-raised">
      {rows.map((row) => (
        <li key={row.trace_id} className="flex">
          <Row row={row} search={search} />
          <OpenInMlflow url={row.mlflow_url} small />
        </li>
      ))}
    </ul>
  );
}

function Row({ row, search }: { row: TraceRow; search: string }) {
  const { t, language } = useI18n();
  const failed = row.state === "ERROR";
  return (
    <a
      {...linkTo({ page: "trace", trace: row.trace_id }, { from: pathOf({ page: "traces", search }) })}
      data-trace={row.trace_id}
      className="grid min-w-0 flex-1 gap-x-4 gap-y-1 px-4 py-3 hover:bg-hover focus-visible:-outline-offset-2 md:grid-cols-[minmax(0,1fr)_16rem]"
    >
      <span className="min-w-0">
        <span dir="auto" className="flex items-center gap-2 text-sm font-medium">
          {failed && <CircleAlert size={15} className="shrink-0 text-danger" aria-label={t.stateNames.ERROR} />}
          {row.state === "IN_PROGRESS" && <LoaderCircle size={15} className="shrink-0 text-warn" aria-label={t.stateNames.IN_PROGRESS} />}
          <span className="truncate">{lineOf(row.request_preview) || row.name || row.trace_id}</span>
        </span>
        <span dir="auto" className="mt-0.5 line-clamp-2 text-sm text-quiet wrap-anywhere md:line-clamp-1">
          {lineOf(row.response_preview) || t.emptyAnswer}
        </span>
        <Verdicts row={row} />
      </span>
      <span className="flex flex-wrap content-start items-baseline gap-x-3 gap-y-0.5 text-xs text-quiet md:justify-end md:text-end">
        <time dateTime={row.request_time} className="md:w-full">
          {when(row.request_time, language)}
        </time>
        <span>{row.agent ? [row.agent, row.version].filter(Boolean).join(" · ") : row.name}</span>
        {row.state !== "IN_PROGRESS" && <span className="tabular-nums">{duration(t, language, row.execution_duration_ms)}</span>}
        {row.total_tokens ? <span className="tabular-nums">{t.tokens(row.total_tokens, new Intl.NumberFormat(language).format(row.total_tokens))}</span> : null}
      </span>
    </a>
  );
}

function Verdicts({ row }: { row: TraceRow }) {
  const { t } = useI18n();
  const wordsFor = useRatingWords(row.agent);
  if (row.feedback.length === 0) return null;
  return (
    <span className="mt-1.5 flex flex-wrap gap-1.5">
      {row.feedback.map(({ assessment_id, name, value, source_type }) => {
        const words = wordsFor(name, value);
        const thumb = name === "user_feedback" && typeof value === "boolean";
        return (
          <span key={assessment_id} className="inline-flex items-center gap-1 rounded-full bg-sunken px-2 py-0.5 text-xs">
            {thumb && value && <ThumbsUp size={12} className="text-accent" aria-label={t.goodResponse} />}
            {thumb && !value && <ThumbsDown size={12} className="text-danger" aria-label={t.badResponse} />}
            {!thumb && (words.name ? <span>{words.name}</span> : <code className="font-mono">{name}</code>)}
            {!thumb && <strong className="max-w-40 truncate font-semibold">{words.value}</strong>}
            {source_type !== "HUMAN" && <span className="text-quiet">{t.sourceNames[source_type ?? ""] ?? source_type}</span>}
          </span>
        );
      })}
    </span>
  );
}

function when(time: string, language: string): string {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(language, today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" }).format(date);
}
