import { Check, ShieldQuestion, X } from "lucide-react";
import { useT } from "../i18n";
import { CodeBlock } from "../markdown/Markdown";
import type { Part } from "../stream/parts";
import { Button } from "../ui/controls";
import { pretty } from "./Parts";

export interface Decisions {
  /** What was chosen so far, by the request's id; kept until all of an answer's requests are decided. */
  made: Readonly<Record<string, boolean>>;
  /** Absent when there is nothing to decide any more, or not yet. */
  decide?: (id: string, approve: boolean) => void;
}

interface Props {
  part: Extract<Part, { kind: "approval" }>;
  decisions: Decisions;
}

/** What an agent wants to do, and the two buttons that let it or not. */
export function ApprovalView({ part, decisions: { made, decide } }: Props) {
  const t = useT();
  const question = t.approvalAsked(part.name, part.server);
  const choice = (approve: boolean) => (
    <Button look={approve ? "primary" : "plain"} aria-pressed={Object.hasOwn(made, part.id) ? made[part.id] === approve : undefined} onClick={() => decide?.(part.id, approve)}>
      {approve ? <Check size={15} /> : <X size={15} />}
      {approve ? t.allow : t.deny}
    </Button>
  );
  return (
    <div className="rounded-m border border-line bg-warn-soft px-3.5 py-3 text-sm">
      <p className="flex items-center gap-2 font-medium">
        <ShieldQuestion size={17} className="shrink-0 text-warn" aria-hidden />
        {question}
      </p>
      <div className="mt-2">
        <CodeBlock title={t.input} text={pretty(part.input)} />
      </div>
      {decide && (
        <div role="group" aria-label={question} className="mt-3 flex flex-wrap gap-2">
          {choice(true)}
          {choice(false)}
        </div>
      )}
    </div>
  );
}
