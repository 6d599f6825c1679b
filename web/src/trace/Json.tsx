import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { useT } from "../i18n";
import { Cut } from "./Cut";
import { decoded } from "./readable";

/** A value as a tree that can be folded. JSON inside strings is part of the tree. */
export function Json({ value }: { value: unknown }) {
  return (
    // Reachable by keyboard, because it scrolls.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div tabIndex={0} role="group" dir="ltr" className="max-h-[32rem] overflow-auto rounded-m border border-line bg-sunken px-3 py-2 font-mono text-[0.8125rem] leading-relaxed">
      <Node value={decoded(value)} depth={0} />
    </div>
  );
}

interface NodeProps {
  value: unknown;
  depth: number;
  name?: string;
}

function Node({ value, depth, name }: NodeProps) {
  const label = name !== undefined && <span className="text-code-name wrap-anywhere">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div className="ps-4">
        {label}
        <Scalar value={value} />
      </div>
    );
  }
  const entries = Object.entries(value);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div className="ps-4">
        {label}
        {open + close}
      </div>
    );
  }
  return <Branch label={label} entries={entries} depth={depth} brackets={[open, close]} />;
}

interface BranchProps {
  label: React.ReactNode;
  entries: [string, unknown][];
  depth: number;
  brackets: [open: string, close: string];
}

/** How many members are drawn before more are asked for. */
const step = 100;

function Branch({ label, entries, depth, brackets: [before, after] }: BranchProps) {
  const t = useT();
  const [open, setOpen] = useState(depth === 0 || (depth < 3 && entries.length <= 8));
  const [shown, setShown] = useState(step);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="flex items-baseline rounded-s hover:bg-hover">
        <ChevronRight size={12} aria-hidden className={`me-1 shrink-0 self-center text-quiet ${open ? "rotate-90" : ""}`} />
        <span className="min-w-0">
          {label}
          {open ? before : `${before} ${entries.length} ${after}`}
        </span>
      </summary>
      {open && (
        <>
          <div className="ms-1.5 border-s border-line ps-2">
            {entries.slice(0, shown).map(([key, member]) => (
              <Node key={key} name={key} value={decoded(member)} depth={depth + 1} />
            ))}
            {entries.length > shown && (
              <button type="button" className="ps-4 font-sans text-xs text-accent underline underline-offset-2" onClick={() => setShown(shown + 10 * step)}>
                {t.loadMore} ({entries.length - shown})
              </button>
            )}
          </div>
          <div className="ps-4">{after}</div>
        </>
      )}
    </details>
  );
}

function Scalar({ value }: { value: unknown }) {
  if (typeof value !== "string") return <span className="text-code-value">{String(value)}</span>;
  return (
    <Cut text={value} at={600}>
      {(shown) => <span className="whitespace-pre-wrap text-code-text wrap-anywhere">"{shown}"</span>}
    </Cut>
  );
}
