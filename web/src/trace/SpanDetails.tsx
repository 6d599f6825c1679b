import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import type { Span } from "../api/types";
import { pretty } from "../chat/Parts";
import { duration, useI18n, useT } from "../i18n";
import { CopyButton } from "../ui/copy";
import { Cut } from "./Cut";
import { Json } from "./Json";
import { costWords, tokenWords } from "./usage";
import { Value } from "./Value";

type SpanEvent = Span["events"][number];

/** What one span took in and gave out, and all else it says. */
export function SpanDetails({ span }: { span: Span }) {
  const { t, language } = useI18n();
  const attributes = span.attributes ?? {};
  const exceptions = span.events.filter(({ name }) => name === "exception");
  const events = span.events.filter(({ name }) => name !== "exception");
  const facts = [
    span.type !== "UNKNOWN" && span.type,
    duration(t, language, span.duration_ms),
    span.offset_ms > 0 && t.startsAfter(duration(t, language, span.offset_ms)),
    [attributes["mlflow.llm.provider"], attributes["mlflow.llm.model"]].filter((part) => typeof part === "string").join(" / "),
    tokenWords(t, language, attributes["mlflow.chat.tokenUsage"]),
    costWords(language, attributes["mlflow.llm.cost"]),
  ];
  return (
    <div className="space-y-4 text-sm">
      <div>
        <p className="font-medium wrap-anywhere">{span.name}</p>
        <p className="text-quiet">{facts.filter(Boolean).join(" · ")}</p>
      </div>
      {exceptions.map((event, at) => (
        // oxlint-disable-next-line react/no-array-index-key
        <Exception key={at} event={event} />
      ))}
      {exceptions.length === 0 && span.status === "ERROR" && <Failure>{span.status_message || t.failed}</Failure>}
      <Value name={t.inputs} value={span.inputs} />
      <Value name={t.outputs} value={span.outputs} />
      {events.length > 0 && (
        <Fold title={`${t.events} (${events.length})`}>
          <ul className="space-y-2">
            {events.map((event, at) => (
              // oxlint-disable-next-line react/no-array-index-key
              <li key={at}>
                <p>
                  {event.name} <span className="text-xs text-quiet">{t.startsAfter(duration(t, language, event.offset_ms))}</span>
                </p>
                {Object.keys(event.attributes).length > 0 && <Json value={event.attributes} />}
              </li>
            ))}
          </ul>
        </Fold>
      )}
      {Object.keys(attributes).length > 0 && (
        <Fold title={`${t.attributes} (${Object.keys(attributes).length})`}>
          <Json value={attributes} />
        </Fold>
      )}
    </div>
  );
}

function Fold({ title, children }: { title: string; children: ReactNode }) {
  return (
    <details>
      <summary className="text-xs font-medium text-quiet underline underline-offset-2 hover:text-ink">{title}</summary>
      <div className="mt-2">{children}</div>
    </details>
  );
}

function Failure({ children }: { children: ReactNode }) {
  return (
    <p className="flex gap-2 rounded-m bg-danger-soft px-3 py-2 text-danger wrap-anywhere">
      <CircleAlert size={16} className="mt-0.5 shrink-0" aria-hidden />
      <span className="min-w-0 whitespace-pre-wrap">{children}</span>
    </p>
  );
}

/** What OpenTelemetry records of an error: its type, what it says, and where it came from. */
function Exception({ event: { attributes } }: { event: SpanEvent }) {
  const t = useT();
  const [type, message, stack] = ["type", "message", "stacktrace"].map((part) => pretty(attributes[`exception.${part}`]).trimEnd());
  return (
    <div>
      <Failure>
        <Cut text={[type, message].filter(Boolean).join(": ") || t.failed} at={1000}>
          {(shown) => shown}
        </Cut>
      </Failure>
      {stack && (
        <details className="mt-1.5">
          <summary className="text-xs text-quiet underline underline-offset-2 hover:text-ink">{t.stackTrace}</summary>
          <div className="relative mt-1.5">
            <div className="absolute end-1 top-1 rounded-m bg-sunken">
              <CopyButton text={stack} label={t.copyOf(t.stackTrace)} small />
            </div>
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <pre tabIndex={0} dir="ltr" className="max-h-96 overflow-auto rounded-m border border-line bg-sunken px-3 py-2 font-mono text-xs leading-relaxed">
              {stack}
            </pre>
          </div>
        </details>
      )}
    </div>
  );
}
