import { CircleAlert, X } from "lucide-react";
import { useState } from "react";
import type { Failure } from "../api/http";
import { Observable, useObservable } from "../app/observable";
import { useT } from "../i18n";
import { Button, IconButton } from "./controls";
import { CopyButton } from "./copy";

interface Toast extends Failure {
  id: number;
  /** What can still be done about it. A toast with it tells of a success. */
  action?: { label: string; run: () => void };
}

const showFor = 10_000;
const most = 3;

/** What the page tells the person: toasts for failures, quiet words for screen readers. */
export class Notices {
  readonly toasts = new Observable<readonly Toast[]>([]);
  readonly spoken = new Observable("");
  #next = 1;

  /** Shows a failure. The same one again only renews the one that is shown. */
  fail = (failure: Failure): void => {
    const toast = { ...failure, id: this.#next++ };
    const others = this.toasts.get().filter((other) => other.text !== failure.text);
    // What can still be undone is never pushed out.
    const old = new Set(others.filter(({ action }) => !action).slice(0, 1 - most));
    this.toasts.set([...others.filter((other) => !old.has(other)), toast]);
    // The toast is an alert, but outside of a modal dialog: nobody hears it from in there.
    if (document.querySelector("dialog[open]")) this.say(failure.text);
    setTimeout(() => this.#expire(toast.id), showFor);
  };

  /** Not while somebody reads it, or is about to copy from it. */
  #expire(id: number): void {
    if (document.querySelector(`[data-toast="${id}"]:is(:hover, :focus-within)`)) setTimeout(() => this.#expire(id), 1000);
    else this.dismiss(id);
  }

  /**
   * Offers to take something back, for as long as that is possible: for `ms`, or
   * until what is returned is called.
   */
  offer = (text: string, action: { label: string; run: () => void }, ms?: number): (() => void) => {
    const toast = { text, action, id: this.#next++ };
    this.toasts.set([...this.toasts.get(), toast]);
    this.say(text);
    const end = () => this.dismiss(toast.id);
    if (ms !== undefined) setTimeout(end, ms);
    return end;
  };

  dismiss = (id: number): void => {
    const left = this.toasts.get().filter((toast) => toast.id !== id);
    if (left.length < this.toasts.get().length) this.toasts.set(left);
  };

  /** Says something to a screen reader without showing it. */
  say = (text: string): void => {
    // The same words twice are no change, and no change is not read.
    this.spoken.set(this.spoken.get() === text ? `${text}\u00A0` : text);
  };
}

/** What is said from now on. It is there before: a region that appears with its text is often not read. A modal dialog needs its own: what is outside is not read then. */
export function Spoken({ notices }: { notices: Notices }) {
  const spoken = useObservable(notices.spoken);
  const [before] = useState(spoken);
  const [said, setSaid] = useState(false);
  if (!said && spoken !== before) setSaid(true);
  return (
    <div role="status" className="sr-only">
      {said && spoken}
    </div>
  );
}

export function NoticeRegions({ notices }: { notices: Notices }) {
  const t = useT();
  const toasts = useObservable(notices.toasts);
  return (
    <>
      <Spoken notices={notices} />
      <section
        aria-label={t.notifications}
        className="pointer-events-none fixed inset-x-0 top-0 z-50 flex flex-col items-center gap-2 p-3 max-h-full overflow-y-auto"
      >
        {toasts.map((toast) => (
          <div
            key={toast.id}
            data-toast={toast.id}
            role={toast.action ? "group" : "alert"}
            aria-label={toast.action && toast.text}
            className={`pop pointer-events-auto flex w-[min(28rem,100%)] items-center gap-2.5 rounded-m border bg-raised py-2 ps-3.5 pe-1.5 text-sm shadow-high ${toast.action ? "border-line" : "border-danger/40"}`}
          >
            {!toast.action && <CircleAlert size={18} className="shrink-0 text-danger" aria-hidden />}
            <div className="my-1 min-w-0 flex-1 wrap-anywhere">
              <p>{toast.text}</p>
              {toast.hint && <p className="mt-0.5 text-xs text-quiet">{toast.hint}</p>}
              {toast.requestId && (
                <p className="-mb-1 flex items-center gap-1 text-xs text-quiet">
                  <span>
                    {t.requestId}: <code className="font-mono select-all">{toast.requestId}</code>
                  </span>
                  <CopyButton text={toast.requestId} label={t.copyOf(t.requestId)} small />
                </p>
              )}
            </div>
            {toast.action && (
              <Button
                look="ghost"
                className="!min-h-8 !px-2.5 !text-accent pointer-coarse:!min-h-11"
                onClick={() => {
                  toast.action?.run();
                  notices.dismiss(toast.id);
                }}
              >
                {toast.action.label}
              </Button>
            )}
            <IconButton label={t.dismiss} onClick={() => notices.dismiss(toast.id)}>
              <X size={16} />
            </IconButton>
          </div>
        ))}
      </section>
    </>
  );
}
