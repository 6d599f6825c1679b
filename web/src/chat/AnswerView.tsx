import { useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, CircleAlert, Info, RotateCcw, Route } from "lucide-react";
import { memo, useMemo, useState } from "react";
import { api } from "../api/client";
import type { Approval, Dimension, TraceSummary } from "../api/types";
import { linkTo } from "../app/router";
import { Details } from "../feedback/Details";
import { Thumbs } from "../feedback/Thumbs";
import { duration, useI18n, useT } from "../i18n";
import { errorsIn, textOf } from "../stream/answer";
import { Button, IconButton, Tip } from "../ui/controls";
import { CopyButton } from "../ui/copy";
import { sameProps } from "../ui/sameProps";
import type { Decisions } from "./ApprovalView";
import { Parts } from "./Parts";
import type { ChatMessage } from "./session";

interface Props {
  message: ChatMessage;
  siblings: string[];
  /** What the agent's deployer asks about its answers. */
  dimensions: readonly Dimension[];
  last: boolean;
  busy: boolean;
  reconnecting: boolean;
  conversation: string | undefined;
  onChoose: (id: string) => void;
  onRegenerate: (question: string) => void;
  onApprove: (message: ChatMessage, approvals: Approval[]) => void;
  /** Stands below a question, so that the question can be asked again. */
  again: boolean;
  /** What it asks permission for is still to be decided. */
  undecided: boolean;
}

/** One answer: what it says, how it ended, and what can be done with it. */
export const AnswerView = memo(function AnswerView({ message, reconnecting, onApprove, undecided, ...rest }: Props) {
  const t = useT();
  const writing = message.status === "streaming";
  const decisions = useDecisions(message, undecided && !writing && !rest.busy, onApprove);
  return (
    <article
      aria-label={t.answer}
      data-message-id={message.id}
      data-trace-id={message.traceId}
      data-status={message.status}
      className="group scroll-mt-4 pb-4"
    >
      <div className={`prose ${writing ? "writing" : ""}`}>
        <Parts parts={message.parts} writing={writing} anchor={message.id} decisions={decisions} />
        {!writing && message.parts.length === 0 && message.status === "completed" && <p className="text-quiet">{t.emptyAnswer}</p>}
      </div>
      {reconnecting && writing && <p className="mt-2 text-sm text-warn">{t.reconnecting}</p>}
      {message.status === "stopped" && <p className="mt-2 text-sm text-quiet">{t.stoppedBy[message.stopped_by ?? "user"]}</p>}
      {message.status === "failed" && <Failure message={message} busy={rest.busy} again={rest.again} onRetry={() => rest.onRegenerate(message.parent_id ?? "")} />}
      {!writing && <Actions message={message} {...rest} />}
    </article>
  );
}, sameProps);

/** Collects the decisions about what an answer asks permission for; the agent gets them together. */
function useDecisions(message: ChatMessage, open: boolean, onApprove: Props["onApprove"]): Decisions {
  const [made, setMade] = useState<Record<string, boolean>>({});
  return useMemo(() => {
    if (!open) return { made };
    const asked = message.parts.flatMap((part) => (part.kind === "approval" ? [part.id] : []));
    const decide = (id: string, approve: boolean) => {
      const all = { ...made, [id]: approve };
      const whole = asked.every((other) => Object.hasOwn(all, other));
      setMade(whole ? {} : all);
      if (whole) onApprove(message, asked.map((other) => ({ id: other, approve: all[other] === true })));
    };
    return { made, decide };
  }, [message, open, made, onApprove]);
}

function Failure({ message, busy, again, onRetry }: { message: ChatMessage; busy: boolean; again: boolean; onRetry: () => void }) {
  const t = useT();
  return (
    <div role="alert" className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-m bg-danger-soft px-3.5 py-2.5 text-sm text-danger">
      <CircleAlert size={18} className="shrink-0" aria-hidden />
      <p className="min-w-40 flex-1 wrap-anywhere">{message.error?.message || t.answerFailed}</p>
      {again && (
        <Button disabled={busy || !message.parent_id} onClick={onRetry} className="!text-ink">
          <RotateCcw size={14} />
          {t.retry}
        </Button>
      )}
      <details className="w-full text-xs">
        <summary className="-my-1 inline-flex min-h-6 items-center gap-1 rounded-s pointer-coarse:min-h-11">
          <ChevronRight size={13} className="in-open:rotate-90 rtl:-scale-x-100" aria-hidden />
          {t.details}
        </summary>
        <Facts facts={[[t.errorCode, message.error?.code], [t.requestId, message.traceId]]} />
      </details>
    </div>
  );
}

function Actions({ message, siblings, dimensions, last, busy, conversation, again, onChoose, onRegenerate }: Omit<Props, "reconnecting" | "onApprove" | "undecided">) {
  const t = useT();
  const text = textOf(message.parts);
  // The first yes-or-no question is what the thumbs ask.
  const thumbs = dimensions.find(({ type }) => type === "boolean");
  const details = dimensions.filter((dimension) => dimension !== thumbs);
  const from = conversation ? `/c/${encodeURIComponent(conversation)}` : undefined;
  const more = (
    <>
      {message.rateable && message.traceId && details.length > 0 && (
        <Details traceId={message.traceId} agentId={message.agent_id} dimensions={details} feedback={message.feedback} />
      )}
      {again && (
        <IconButton label={t.regenerate} disabled={busy} onClick={() => onRegenerate(message.parent_id ?? "")}>
          <RotateCcw size={16} />
        </IconButton>
      )}
      {message.rateable && (
        <Tip text={t.openTrace}>
          <a
            {...linkTo({ page: "trace", message: message.id }, { from })}
            aria-label={t.openTrace}
            className="inline-grid size-8 place-items-center rounded-m text-quiet hover:bg-hover hover:text-ink pointer-coarse:size-11"
          >
            <Route size={16} />
          </a>
        </Tip>
      )}
    </>
  );
  return (
    <div
      className={`mt-1.5 -ms-2 flex min-h-8 flex-wrap items-center gap-x-0.5 transition-opacity ${last ? "" : "pointer-fine:opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 has-aria-pressed:opacity-100"}`}
    >
      <Siblings id={message.id} siblings={siblings} onChoose={onChoose} />
      {text !== "" && <CopyButton text={text} kind="answer" />}
      {message.rateable && message.traceId && thumbs ? (
        <Thumbs traceId={message.traceId} agentId={message.agent_id} dimension={thumbs} details={details} feedback={message.feedback}>
          {(state, comment) => (
            <>
              {more}
              <Beside>
                {state}
                {comment}
                <Summary message={message} />
              </Beside>
            </>
          )}
        </Thumbs>
      ) : (
        <>
          {more}
          <Beside>
            {!message.rateable && <NotRateable reason={message.not_rateable_reason} />}
            <Summary message={message} />
          </Beside>
        </>
      )}
    </div>
  );
}

/**
 * One line of words beside the buttons; on a narrow page below them, and there
 * also while it is empty: what a vote makes appear must not move anything.
 */
function Beside({ children }: { children: React.ReactNode }) {
  return (
    <div className="flex min-h-8 min-w-0 flex-1 items-center ps-2 has-[details[open]]:basis-full has-[details[open]]:flex-wrap max-sm:-mt-1 max-sm:basis-full pointer-coarse:max-sm:min-h-11">{children}</div>
  );
}

function NotRateable({ reason }: { reason: string | undefined }) {
  const t = useT();
  const why = reason || t.notRateableWhy;
  return (
    <Tip text={why}>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <span role="note" tabIndex={0} aria-label={`${t.notRateable}. ${why}`} className="inline-flex min-h-6 items-center gap-1 rounded-s text-xs text-quiet">
        <Info size={14} aria-hidden />
        {t.notRateable}
      </span>
    </Tip>
  );
}

interface SiblingsProps {
  id: string;
  siblings: string[];
  onChoose: (id: string) => void;
}

/** ‹ 2/3 ›: the other answers to the same question, or the other wordings of it. */
export function Siblings({ id, siblings, onChoose }: SiblingsProps) {
  const t = useT();
  if (siblings.length < 2) return null;
  const at = siblings.indexOf(id);
  const step = (by: number) => {
    const next = siblings[at + by];
    if (next) onChoose(next);
  };
  return (
    <span className="inline-flex items-center">
      <IconButton label={t.previousVersion} disabled={at <= 0} onClick={() => step(-1)} className="!w-6 pointer-coarse:!w-9">
        <ChevronLeft size={16} className="rtl:-scale-x-100" />
      </IconButton>
      <span className="text-xs text-quiet tabular-nums">{t.versionOf(at + 1, siblings.length)}</span>
      <IconButton label={t.nextVersion} disabled={at >= siblings.length - 1} onClick={() => step(1)} className="!w-6 pointer-coarse:!w-9">
        <ChevronRight size={16} className="rtl:-scale-x-100" />
      </IconButton>
    </span>
  );
}

/**
 * Time, tokens and tools in one line, and what is behind them when it is opened. An agent's own trace comes seconds
 * after its answer and says more than its stream did, so whoever opens the line has it looked for.
 */
function Summary({ message }: { message: ChatMessage }) {
  const { t, language } = useI18n();
  const [open, setOpen] = useState(false);
  const traced = useQuery({
    queryKey: ["summary", message.id],
    queryFn: async () => (await api.trace(message.id)).trace_summary ?? null,
    enabled: open && message.rateable,
  });
  const summary: TraceSummary | undefined = traced.data ?? message.traceSummary;
  if (!summary) return null;
  const number = (value: number) => new Intl.NumberFormat(language).format(value);
  const tokens = summary.total_tokens ?? (summary.input_tokens ?? 0) + (summary.output_tokens ?? 0);
  const tools = summary.tools_called ?? [];
  const facts = [
    duration(t, language, summary.duration_ms),
    tokens > 0 ? t.tokens(tokens, number(tokens)) : "",
    tools.length > 0 ? t.toolCalls(tools.length) : "",
  ].filter((fact) => fact !== "");
  const errors = errorsIn(message);
  const more: Fact[] = [
    [t.firstWord, summary.time_to_first_token_ms && duration(t, language, summary.time_to_first_token_ms)],
    [t.tokenUsage, tokens > 0 ? t.tokenSplit(number(summary.input_tokens ?? 0), number(summary.output_tokens ?? 0)) : undefined],
    [t.tools, tools.join(", ")],
    [t.retrievals, summary.retrieval_calls && number(summary.retrieval_calls)],
    [t.modelCalls, summary.llm_calls && number(summary.llm_calls)],
    [t.spans, summary.spans_count && number(summary.spans_count)],
    [t.requestId, message.traceId],
    [t.traceId, summary.trace_id],
  ];
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)} className="ms-auto min-w-0 text-xs text-quiet tabular-nums open:w-full">
      <summary className="flex min-h-8 items-center justify-end rounded-s ps-3 hover:text-ink pointer-coarse:min-h-11">
        {errors > 0 && <span className="shrink-0 text-danger">{t.errors(errors)}&nbsp;·&nbsp;</span>}
        <span className="truncate">{facts.join(" · ")}</span>
      </summary>
      <div className="rounded-m bg-sunken px-3 py-2">
        <Facts facts={more} />
      </div>
    </details>
  );
}

/** Those that are named in full to somebody who looks for them are there to be copied. */
type Fact = [name: string, value: string | 0 | undefined];

function Facts({ facts }: { facts: Fact[] }) {
  const t = useT();
  const copied = new Set([t.requestId, t.traceId]);
  return (
    <dl className="flex flex-wrap items-center gap-x-6 gap-y-1">
      {facts.map(
        ([name, value]) =>
          Boolean(value) && (
            <div key={name} className="flex min-w-0 items-center gap-1">
              <dt className="shrink-0">{name}:</dt>
              <dd className="min-w-0 text-ink wrap-anywhere">{value}</dd>
              {copied.has(name) && (
                <dd>
                  <CopyButton text={String(value)} label={t.copyOf(name)} small />
                </dd>
              )}
            </div>
          ),
      )}
    </dl>
  );
}
