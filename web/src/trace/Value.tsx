import { Bot, Braces, Lightbulb, MessageSquareText, User, Wrench } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { pretty } from "../chat/Parts";
import { useI18n, useT } from "../i18n";
import { Markdown } from "../markdown/Markdown";
import { CopyButton } from "../ui/copy";
import { IconButton } from "../ui/controls";
import { Cut } from "./Cut";
import { Json } from "./Json";
import { decoded, own, readable, type ChatMessage, type Readable, type RetrievedDocument } from "./readable";

interface Props {
  name: string;
  value: unknown;
}

/** What was recorded: as people read it, or as JSON, and to be copied. */
export function Value({ name, value }: Props) {
  const t = useT();
  const shown = useMemo(() => readable(value), [value]);
  const [raw, setRaw] = useState(false);
  const hasTwoForms = shown.kind === "messages" || shown.kind === "documents";
  return (
    <section aria-label={name}>
      <h3 className="flex min-h-8 items-center text-xs font-medium text-quiet">
        <span className="me-auto">{name}</span>
        {hasTwoForms && (
          <IconButton label={raw ? t.showReadable : t.showJson} className="!size-7" onClick={() => setRaw(!raw)}>
            {raw ? <MessageSquareText size={15} /> : <Braces size={15} />}
          </IconButton>
        )}
        {shown.kind !== "nothing" && <CopyButton text={pretty(value)} label={t.copyOf(name)} small />}
      </h3>
      {raw ? <Json value={value} /> : <Shown value={shown} />}
    </section>
  );
}

/** A value as people read it. */
export function Shown({ value }: { value: Readable }) {
  const t = useT();
  switch (value.kind) {
    case "nothing":
      return <p className="text-quiet">{t.nothingRecorded}</p>;
    case "text":
      return <Prose text={value.text} />;
    case "messages":
      return (
        <div className="space-y-2">
          {value.messages.map((message, at) => (
            // oxlint-disable-next-line react/no-array-index-key
            <Message key={at} message={message} />
          ))}
          {Object.keys(value.rest).length > 0 && <Json value={value.rest} />}
        </div>
      );
    case "documents":
      return (
        <ol className="space-y-2">
          {value.documents.map((document, at) => (
            // oxlint-disable-next-line react/no-array-index-key
            <RetrievedDocumentView key={at} document={document} number={at + 1} />
          ))}
        </ol>
      );
    case "json":
      return <Json value={value.value} />;
  }
}

const pictures: Record<string, ReactNode> = {
  user: <User size={14} />,
  assistant: <Bot size={14} />,
  tool: <Wrench size={14} />,
  reasoning: <Lightbulb size={14} />,
};

function Message({ message: { role, text, calls } }: { message: ChatMessage }) {
  const t = useT();
  const picture = own(pictures, role);
  return (
    <div className="rounded-m border border-line px-3 py-2">
      <p className="flex items-center gap-1.5 text-xs text-quiet">
        {picture && <span aria-hidden>{picture}</span>}
        {own(t.roleNames, role) ?? role}
      </p>
      {text && <div className="mt-1">{typeof decoded(text) === "string" ? <Prose text={text} /> : <Json value={text} />}</div>}
      {calls.map((call, at) => (
        // oxlint-disable-next-line react/no-array-index-key
        <div key={at} className="mt-2">
          <p className="mb-1 flex items-center gap-1.5 text-quiet">
            <Wrench size={14} aria-hidden />
            {t.calls} <code className="font-mono text-[0.8125rem] text-ink wrap-anywhere">{call.name}</code>
          </p>
          {call.input !== undefined && <Json value={call.input} />}
        </div>
      ))}
    </div>
  );
}

function RetrievedDocumentView({ document: { text, title, url, score, metadata }, number }: { document: RetrievedDocument; number: number }) {
  const { t, language } = useI18n();
  const name = title || t.document(number);
  return (
    <li className="rounded-m border border-line px-3 py-2">
      <p className="flex items-baseline gap-2">
        <span className="min-w-0 font-medium wrap-anywhere">
          {url ? (
            <a href={url} target="_blank" rel="noopener noreferrer nofollow" className="text-accent underline underline-offset-2">
              {name}
            </a>
          ) : (
            name
          )}
        </span>
        {score !== undefined && <span className="ms-auto shrink-0 text-xs text-quiet">{t.score(new Intl.NumberFormat(language, { maximumFractionDigits: 3 }).format(score))}</span>}
      </p>
      <div className="mt-1">
        <Prose text={text} />
      </div>
      {Object.keys(metadata).length > 0 && (
        <details className="mt-1.5">
          <summary className="text-xs text-quiet underline underline-offset-2 hover:text-ink">{t.metadata}</summary>
          <div className="mt-1.5">
            <Json value={metadata} />
          </div>
        </details>
      )}
    </li>
  );
}

/** Longer texts are files and not messages; as Markdown they would hold up the page. */
const longest = 50_000;

/** Markdown; a long one is cut until all of it is asked for. */
function Prose({ text }: { text: string }) {
  return (
    <Cut text={text} at={2000}>
      {(shown) => <div className="prose text-sm">{shown.length > longest ? <p className="whitespace-pre-wrap">{shown}</p> : <Markdown text={shown} />}</div>}
    </Cut>
  );
}
