import { ChevronRight, CircleAlert, Lightbulb, Wrench } from "lucide-react";
import { memo, type ReactNode } from "react";
import { useT } from "../i18n";
import type { Messages } from "../i18n/en";
import { sourcesOf, withMarks } from "../markdown/citations";
import { CodeBlock, Markdown } from "../markdown/Markdown";
import type { Part } from "../stream/parts";
import { drawn } from "../stream/speech";
import { ApprovalView, type Decisions } from "./ApprovalView";

interface Props {
  parts: Part[];
  writing: boolean;
  /** Makes the footnotes' anchors unique on the page. */
  anchor: string;
  decisions?: Decisions;
}

const noDecisions: Decisions = { made: {} };

/** Everything an answer is made of, in order, and its sources at the end. */
export function Parts({ parts: said, writing, anchor, decisions = noDecisions }: Props) {
  const t = useT();
  const parts = drawn(said);
  const citations = parts.flatMap((part) => (part.kind === "text" ? part.citations : []));
  const last = parts.at(-1);
  return (
    <>
      {parts.map((part) => (
        <PartView key={part.key} part={part} pending={writing && part === last} anchor={anchor} decisions={decisions} />
      ))}
      {writing && last?.kind !== "text" && (
        <p className="flex h-6 items-center" aria-hidden>
          <span className="dot size-2.5 rounded-full bg-accent" />
        </p>
      )}
      {!writing && citations.length > 0 && (
        <section className="border-t border-line pt-3 text-sm">
          <h2 className="text-xs font-semibold text-quiet" id={`sources-${anchor}`}>
            {t.sources}
          </h2>
          <ol aria-labelledby={`sources-${anchor}`} className="mt-1.5">
            {sourcesOf(citations).map((source) => (
              <li key={source.number} id={`source-${anchor}-${source.number}`}>
                {source.url ? (
                  <a href={source.url} target="_blank" rel="noopener noreferrer nofollow">
                    {source.title || t.source(source.number)}
                  </a>
                ) : (
                  source.title || t.source(source.number)
                )}
                {source.url && <span className="text-quiet"> · {hostOf(source.url)}</span>}
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

interface PartProps {
  part: Part;
  pending: boolean;
  anchor: string;
  decisions: Decisions;
}

const PartView = memo(function PartView({ part, pending, anchor, decisions }: PartProps) {
  const t = useT();
  switch (part.kind) {
    case "text":
      return <Markdown text={part.closed ? withMarks(part.text, part.citations, anchor) : part.text} />;
    case "reasoning":
      return (
        <Fold icon={<Lightbulb size={15} />} title={t.reasoning} pending={pending}>
          <div className="text-quiet">
            <Markdown text={part.text} />
          </div>
        </Fold>
      );
    case "tool":
      return (
        <Fold icon={part.error === undefined ? <Wrench size={15} /> : <CircleAlert size={15} className="text-danger" />} title={toolTitle(t, part, pending)} pending={pending}>
          {part.error !== undefined && part.error !== "" && <Labelled label={t.error} value={part.error} />}
          <Labelled label={t.input} value={part.input} />
          {part.output !== undefined && <Labelled label={t.output} value={part.output} />}
        </Fold>
      );
    case "approval":
      return <ApprovalView part={part} decisions={decisions} />;
  }
});

function toolTitle(t: Messages, part: Extract<Part, { kind: "tool" }>, pending: boolean): string {
  if (part.error !== undefined) return t.toolFailed(part.name);
  return part.output === undefined && pending ? t.usingTool(part.name) : t.usedTool(part.name);
}

interface FoldProps {
  icon: ReactNode;
  title: string;
  pending: boolean;
  children: ReactNode;
}

function Fold({ icon, title, pending, children }: FoldProps) {
  return (
    <details className="group/fold text-sm">
      <summary className="inline-flex min-h-8 items-center gap-2 rounded-m border border-line bg-raised px-2.5 text-quiet hover:text-ink pointer-coarse:min-h-11">
        <span className={pending ? "dot" : ""}>{icon}</span>
        {title}
        <ChevronRight size={14} className="transition-transform group-open/fold:rotate-90 rtl:-scale-x-100" aria-hidden />
      </summary>
      <div className="mt-2 space-y-3 border-s-2 border-line ps-4">{children}</div>
    </details>
  );
}

function Labelled({ label, value }: { label: string; value: unknown }) {
  return <CodeBlock title={label} text={pretty(value)} />;
}

/** JSON, also JSON inside a string, with its structure shown; other text as it is. */
export function pretty(value: unknown): string {
  try {
    const inner: unknown = typeof value === "string" ? JSON.parse(value) : value;
    if (typeof value !== "string" || (typeof inner === "object" && inner !== null)) return JSON.stringify(inner, null, 2) ?? "";
  } catch {
    // No JSON; or deeper than a browser can write.
  }
  return typeof value === "string" ? value : "…";
}

function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return "";
  }
}
