import { useQuery } from "@tanstack/react-query";
import { ArrowLeft, PanelLeft } from "lucide-react";
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { api } from "../api/client";
import { ApiError, failureOf } from "../api/http";
import type { Assessment, Trace } from "../api/types";
import { cameFrom, linkTo, pathOf, placeOf, type Place } from "../app/router";
import { useRatingWords } from "../feedback/dimensions";
import { duration, useI18n, useT } from "../i18n";
import type { Messages } from "../i18n/en";
import { Button, IconButton } from "../ui/controls";
import { CopyButton } from "../ui/copy";
import { OpenInMlflow } from "./OpenInMlflow";
import { readablePreview } from "./readable";
import { SpanDetails } from "./SpanDetails";
import { SpanTree } from "./SpanTree";
import { spanForest } from "./spans";
import { costWords, tokenWords } from "./usage";
import { Shown } from "./Value";

interface Props {
  /** The answer whose trace it is; or the trace's own id. */
  message?: string;
  trace?: string;
  onMenu?: () => void;
}

const slowest = 10_000;

/** The trace of one answer. While it is not all written yet, looks again by itself, ever less often. */
export default function TracePage({ message = "", trace: id, onMenu }: Props) {
  const t = useT();
  const trace = useQuery({
    queryKey: ["trace", id ?? message],
    queryFn: () => (id === undefined ? api.trace(message).catch(noneYet) : api.traceById(id)),
    refetchInterval: ({ state }) => (state.data === null || state.data?.state === "IN_PROGRESS" ? Math.min(1000 * 1.5 ** state.dataUpdateCount, slowest) : false),
  });
  useEffect(() => {
    document.title = `${t.trace} · Thumbprint`;
  }, [t]);
  const home: Place = id === undefined ? { page: "chat", conversation: trace.data?.conversation_id } : { page: "traces", search: "" };
  const back = placeOf(cameFrom() ?? pathOf(home));
  return (
    <main className="min-h-0 flex-1 overflow-y-auto">
      <div className="mx-auto max-w-7xl px-4 pb-12 sm:px-6" id="conversation" tabIndex={-1}>
        <header className="flex min-h-14 flex-wrap items-center gap-x-3 gap-y-1">
          {onMenu && (
            <IconButton label={t.openSidebar} onClick={onMenu} className="-ms-2">
              <PanelLeft size={18} className="rtl:-scale-x-100" />
            </IconButton>
          )}
          <a {...linkTo(back)} className="inline-flex min-h-9 items-center gap-1.5 rounded-m text-sm text-quiet hover:text-ink">
            <ArrowLeft size={16} className="rtl:-scale-x-100" />
            {back.page === "traces" ? t.backToTraces : t.backToChat}
          </a>
          <OpenInMlflow url={trace.data?.mlflow_url} />
        </header>
        <h1 className="mt-2 font-serif text-3xl tracking-tight">{t.trace}</h1>
        {trace.data && <Whole trace={trace.data} />}
        {!trace.data && !trace.isError && (
          <div role="status" className="mt-6 flex items-start gap-3">
            <span className="dot mt-2 size-2.5 shrink-0 rounded-full bg-accent" aria-hidden />
            <p>
              {trace.data === null ? t.waitingForTrace : t.loading}
              {trace.data === null && <span className="block text-sm text-quiet">{t.waitingForTraceWhy}</span>}
            </p>
          </div>
        )}
        {trace.isError && (
          <div role="alert" className="mt-6 rounded-m bg-danger-soft px-4 py-3 text-sm text-danger">
            <p>
              {t.traceFailed} {failureOf(trace.error).text}
            </p>
            <Button className="mt-2 !text-ink" onClick={() => void trace.refetch()}>
              {t.retry}
            </Button>
          </div>
        )}
      </div>
    </main>
  );
}

function noneYet(error: unknown): null {
  if (error instanceof ApiError && error.code === "trace_not_ready") return null;
  throw error;
}

function Whole({ trace }: { trace: Trace }) {
  const t = useT();
  const forest = useMemo(() => spanForest(trace.spans ?? []), [trace.spans]);
  const [chosen, choose] = useSpanInAddress();
  const details = useRef<HTMLDivElement>(null);
  const row = forest.rows.find(({ span }) => span.span_id === chosen) ?? forest.rows[0];
  // Where details are below the tree and not beside it, they are brought into view.
  const show = () => {
    if (!beside.matches) requestAnimationFrame(() => details.current?.scrollIntoView({ block: "start", behavior: "smooth" }));
  };
  return (
    <>
      <Facts trace={trace} whole={forest.whole} />
      <div className="mt-6 grid items-start gap-4 lg:grid-cols-2">
        <Section title={t.request}>
          <Preview name={t.request} text={trace.request_preview} />
        </Section>
        <Section title={t.response}>
          <Preview name={t.response} text={trace.response_preview} />
        </Section>
      </div>
      {/* Two columns of their own on a wide page; on a narrow one, details follow the spans. */}
      <div className="mt-4 flex flex-col gap-4 lg:grid lg:grid-cols-[minmax(0,11fr)_minmax(0,9fr)] lg:items-start">
        <div className="contents lg:flex lg:min-w-0 lg:flex-col lg:gap-4">
          <Section title={t.spans}>
            {forest.rows.length === 0 ? <p className="text-sm text-quiet">{t.nothingRecorded}</p> : <SpanTree forest={forest} chosen={row?.span.span_id} onChoose={choose} onPick={show} />}
          </Section>
          <Section title={t.ratings} className="order-2">
            <Assessments list={trace.assessments ?? []} agent={trace.tags["thumbprint.agent"]} />
          </Section>
        </div>
        <div className="contents lg:flex lg:min-w-0 lg:flex-col lg:gap-4">
          {row && (
            <div ref={details} className="order-1 min-w-0 scroll-mt-4">
              <Section title={t.spanDetails}>
                <SpanDetails key={row.span.span_id} span={row.span} />
              </Section>
            </div>
          )}
          <Section title={t.tagsAndMetadata} className="order-3">
            <Table title={t.tags} rows={trace.tags ?? {}} />
            <Table title={t.metadata} rows={trace.metadata ?? {}} />
          </Section>
        </div>
      </div>
    </>
  );
}

const beside = matchMedia("(min-width: 1024px)"); // Tailwind's lg

/** The chosen span, kept in the address so that a link leads to it. */
function useSpanInAddress(): [string | undefined, (id: string) => void] {
  const [chosen, setChosen] = useState(() => new URLSearchParams(location.search).get("span") ?? undefined);
  const choose = (id: string) => {
    setChosen(id);
    const query = new URLSearchParams(location.search);
    query.set("span", id);
    history.replaceState(history.state, "", `?${query}`);
  };
  return [chosen, choose];
}

interface FactsProps {
  trace: Trace;
  /** What the spans cover in milliseconds, for a trace of less than one, which MLflow rounds to none. */
  whole: number;
}

function Facts({ trace, whole }: FactsProps) {
  const { t, language } = useI18n();
  const tokens = tokenWords(t, language, trace.token_usage);
  const cost = costWords(language, trace.metadata["mlflow.trace.cost"]);
  const agent = [trace.tags["thumbprint.agent"], trace.tags["thumbprint.agent_version"]].filter(Boolean).join(" · ");
  const user = trace.metadata["mlflow.trace.user"];
  return (
    <dl className="mt-4 flex flex-wrap gap-x-8 gap-y-3">
      <Fact name={t.state}>
        <span className={trace.state === "ERROR" ? "text-danger" : ""}>{t.stateNames[trace.state]}</span>
      </Fact>
      <Fact name={t.started}>{when(trace.request_time, language)}</Fact>
      {trace.state !== "IN_PROGRESS" && <Fact name={t.duration}>{duration(t, language, trace.execution_duration_ms || whole)}</Fact>}
      {tokens && <Fact name={t.tokenUsage}>{tokens}</Fact>}
      {cost && <Fact name={t.cost}>{cost}</Fact>}
      {agent && <Fact name={t.agent}>{agent}</Fact>}
      {user && <Fact name={t.user}>{user}</Fact>}
      {trace.conversation_id && (
        <Fact name={t.transcript}>
          <a {...linkTo({ page: "chat", conversation: trace.conversation_id })} className="text-accent underline underline-offset-2 hover:text-accent-strong">
            {t.openConversation}
          </a>
        </Fact>
      )}
      <Fact name={t.requestId} copy={trace.client_request_id}>
        <code className="font-mono text-[0.8125rem]">{trace.client_request_id}</code>
      </Fact>
      <Fact name={t.traceId} copy={trace.trace_id}>
        <code className="font-mono text-[0.8125rem] break-all">{trace.trace_id}</code>
      </Fact>
    </dl>
  );
}

function Fact({ name, copy, children }: { name: string; copy?: string; children: ReactNode }) {
  const t = useT();
  return (
    <div>
      <dt className="text-xs text-quiet">{name}</dt>
      <dd className="flex min-h-7 items-center gap-0.5 text-sm">
        {children}
        {copy && <CopyButton text={copy} label={t.copyOf(name)} small />}
      </dd>
    </div>
  );
}

function Section({ title, className = "", children }: { title: string; className?: string; children: ReactNode }) {
  return (
    <section aria-label={title} className={`${className} min-w-0 rounded-l border border-line bg-raised p-4`}>
      <h2 className="mb-3 text-sm font-semibold">{title}</h2>
      {children}
    </section>
  );
}

/** A preview is the beginning of what was recorded, so JSON in it may be cut in the middle: it is shown as text then. */
function Preview({ name, text }: { name: string; text: string | undefined }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div tabIndex={0} role="group" aria-label={name} className="max-h-80 overflow-y-auto text-sm">
      <Shown value={readablePreview(text)} />
    </div>
  );
}

function Assessments({ list, agent }: { list: Assessment[]; agent: string | undefined }) {
  const { t, language } = useI18n();
  const wordsFor = useRatingWords(agent);
  if (list.length === 0) return <p className="text-sm text-quiet">{t.noRatings}</p>;
  return (
    <ul className="divide-y divide-line text-sm">
      {list.map((assessment) => {
        const words = wordsFor(assessment.name, assessment.value);
        return (
        <li key={assessment.assessment_id} className="py-2.5 first:pt-0 last:pb-0">
          <p className="flex flex-wrap items-baseline gap-x-2">
            {words.name ?? <code className="font-mono text-[0.8125rem]">{assessment.name}</code>}
            <strong className="min-w-0 font-semibold wrap-anywhere">{words.value}</strong>
            <span className="text-xs text-quiet">{[t.kindNames[assessment.kind], sourceName(t, assessment.source_type)].filter(Boolean).join(" · ")}</span>
          </p>
          <Reasons value={assessment.metadata?.reasons} name={words.reason} />
          {assessment.rationale && (
            <p dir="auto" className="mt-1 whitespace-pre-wrap wrap-anywhere">
              {t.quoted(assessment.rationale)}
            </p>
          )}
          <p className="mt-1 text-xs text-quiet">
            {t.given(whoGave(t, assessment), when(assessment.last_update_time ?? assessment.create_time, language))}
          </p>
        </li>
        );
      })}
    </ul>
  );
}

/** Reasons travel as metadata: a list, or a list in a string. */
function Reasons({ value, name }: { value: unknown; name: (key: string) => string }) {
  const reasons = reasonsOf(value);
  if (reasons.length === 0) return null;
  return (
    <p className="mt-1 flex flex-wrap gap-1">
      {reasons.map((reason) => (
        <span key={reason} className="rounded-full bg-sunken px-2 py-0.5 text-xs">
          {name(reason)}
        </span>
      ))}
    </p>
  );
}

function reasonsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value !== "string" || value === "") return [];
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) ? list.map(String) : [value];
  } catch {
    return value.split(",").map((reason) => reason.trim());
  }
}

function Table({ title, rows }: { title: string; rows: Record<string, string> }) {
  const t = useT();
  const entries = Object.entries(rows).toSorted(([a], [b]) => a.localeCompare(b));
  return (
    <div className="not-first:mt-4">
      <h3 className="mb-1 text-xs font-medium text-quiet">{title}</h3>
      {entries.length === 0 && <p className="text-sm text-quiet">{t.nothingRecorded}</p>}
      <dl className="grid grid-cols-1 divide-y divide-line text-[0.8125rem] sm:grid-cols-[fit-content(60%)_1fr]">
        {entries.map(([name, value]) => (
          <div key={name} className="col-span-full grid grid-cols-subgrid gap-x-4 py-1.5">
            <dt className="col-span-full font-mono text-quiet wrap-anywhere sm:col-span-1">{name}</dt>
            <dd className="col-span-full font-mono wrap-anywhere sm:col-span-1">{String(value)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Who or what a rating is of: a person, a judge, a program. */
function sourceName(t: Messages, type: string | undefined): string {
  return t.sourceNames[type ?? ""] ?? type ?? "";
}

function whoGave(t: Messages, { source_id: id, source_type: type }: Assessment): string {
  if (id && id !== "anonymous") return id;
  return type === "HUMAN" ? t.somebody : sourceName(t, type);
}

function when(time: string | undefined, language: string): string {
  if (!time || Number.isNaN(Date.parse(time))) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(time));
}
