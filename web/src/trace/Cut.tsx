import { useState, type ReactNode } from "react";
import { useI18n } from "../i18n";

interface Props {
  text: string;
  /** How many characters are shown at first. A text that is hardly longer is shown whole. */
  at: number;
  children: (shown: string) => ReactNode;
}

/** The beginning of a long text, and a button for all of it. */
export function Cut({ text, at, children }: Props) {
  const { t, language } = useI18n();
  const [whole, setWhole] = useState(false);
  if (text.length <= at * 1.2) return children(text);
  return (
    <>
      {children(whole ? text : `${text.slice(0, at).replace(/[\uD800-\uDBFF]$/, "")}…`)}
      <button
        type="button"
        aria-expanded={whole}
        className="mt-1 min-h-6 font-sans text-xs text-accent underline underline-offset-2 hover:text-accent-strong pointer-coarse:min-h-11"
        onClick={() => setWhole(!whole)}
      >
        {whole ? t.showLess : t.showAll(new Intl.NumberFormat(language).format(text.length))}
      </button>
    </>
  );
}
