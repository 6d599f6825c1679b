import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { useApp } from "../app/context";
import { useT } from "../i18n";
import { IconButton } from "./controls";

interface Props {
  text: string;
  /** What is copied, where it is not the whole text beside it. */
  label?: string;
  /** Beside a line of small text. */
  small?: boolean;
  /** For who copies it without the button: `copyNewest`. */
  kind?: Copied;
}

export type Copied = "answer" | "code";

/** Copies; shows and says that it did, or that it could not. */
export function CopyButton({ text, label, small = false, kind }: Props) {
  const t = useT();
  const { notices } = useApp();
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyText(text))) return notices.fail({ text: t.notCopied });
    notices.say(t.copied);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <IconButton label={label ?? t.copy} tip={copied ? t.copied : undefined} data-copies={kind} className={small ? "!size-7" : ""} onClick={() => void copy()}>
      {copied ? <Check size={16} className="text-accent" /> : <Copy size={16} />}
    </IconButton>
  );
}

/** Presses the last such button in the conversation, so that what was copied is seen. */
export function copyNewest(kind: Copied): void {
  [...document.querySelectorAll<HTMLElement>(`article [data-copies="${kind}"]`)].at(-1)?.click();
}

/** False where the browser allows neither way. The clipboard exists only in secure contexts, and not in every frame. */
async function copyText(text: string): Promise<boolean> {
  const written = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  return written || copyAsOfOld(text);
}

function copyAsOfOld(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  // Within a modal dialog: the rest of the page takes no focus while there is one.
  (focused?.closest("dialog") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
