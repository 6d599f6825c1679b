import type { Span } from "../api/types";
import { pretty } from "../chat/Parts";
import { duration, useI18n, useT } from "../i18n";
import { CodeBlock } from "../markdown/Markdown";

/** What one span took in and gave out, and all else it says. */
export function SpanDetails({ span }: { span: Span }) {
  const { t, language } = useI18n();
  const attributes = span.attributes ?? {};
  return (
    <div className="space-y-4 text-sm">
      <div>
        <p className="font-medium wrap-anywhere">{span.name}</p>
        <p className="text-quiet">
          {[span.type, duration(t, language, span.duration_ms), span.status].filter(Boolean).join(" · ")}
        </p>
        {span.status_message && <p className="mt-1 text-danger wrap-anywhere">{span.status_message}</p>}
      </div>
      <Value name={t.inputs} value={span.inputs} />
      <Value name={t.outputs} value={span.outputs} />
      {Object.keys(attributes).length > 0 && (
        <details>
          <summary className="text-xs font-medium text-quiet underline underline-offset-2 hover:text-ink">{t.attributes}</summary>
          <div className="mt-2">
            <CodeBlock text={pretty(attributes)} />
          </div>
        </details>
      )}
    </div>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  const t = useT();
  if (value !== undefined && value !== null && value !== "") return <CodeBlock title={name} text={pretty(value)} />;
  return (
    <p>
      <span className="text-xs text-quiet">{name}</span>
      <span className="block text-quiet">{t.nothingRecorded}</span>
    </p>
  );
}
