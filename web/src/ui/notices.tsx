import { CircleAlert, X } from "lucide-react";
import { useLayoutEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import type { Failure } from "../api/http";
import { useApp } from "../app/context";
import { Observable, useObservable } from "../app/observable";
import { useT } from "../i18n";
import { Button, IconButton } from "./controls";
import { CopyButton } from "./copy";

interface Action {
  label: string;
  run: () => void;
  /** What does the same, on the keyboard: see `undo`. */
  keys?: string;
}

interface Toast extends Failure {
  id: number;
  /** What can still be done about it. A toast with it tells of a success. */
  action?: Action;
}

/** Where notices are while a modal dialog is open: what is outside of it can be neither read nor reached. */
interface Place {
  element: Element;
  /** They take room there, and lie on nothing. */
  beside: boolean;
}

const showFor = 10_000;
const most = 3;

/** What the page tells the person: toasts for failures, quiet words for screen readers. */
export class Notices {
  readonly toasts = new Observable<readonly Toast[]>([]);
  readonly spoken = new Observable("");
  /** Those of the modal dialogs that are open: the last has the notices. */
  readonly places = new Observable<readonly Place[]>([]);
  #next = 1;

  /** Shows a failure. The same one again only renews the one that is shown. */
  fail = (failure: Failure): void => {
    const toast = { ...failure, id: this.#next++ };
    const others = this.toasts.get().filter((other) => other.text !== failure.text);
    // What can still be undone is never pushed out.
    const old = new Set(others.filter(({ action }) => !action).slice(0, 1 - most));
    this.toasts.set([...others.filter((other) => !old.has(other)), toast]);
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
  offer = (text: string, action: Action, ms?: number): (() => void) => {
    const toast = { text, action, id: this.#next++ };
    this.toasts.set([...this.toasts.get(), toast]);
    this.say(action.keys ? `${text}. ${action.label}: ${action.keys}` : text);
    const end = () => this.dismiss(toast.id);
    if (ms !== undefined) setTimeout(end, ms);
    return end;
  };

  /** Takes back what was done last of all that keys can take back; false when there is nothing. */
  undo = (): boolean => {
    const toast = this.toasts.get().findLast(({ action }) => action?.keys);
    if (!toast) return false;
    this.dismiss(toast.id);
    toast.action?.run();
    return true;
  };

  /** From now on they are in this place. Until what is returned is called. */
  within(place: Place): () => void {
    this.places.set([...this.places.get(), place]);
    return () => this.places.set(this.places.get().filter((other) => other !== place));
  }

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

/** The regions of the notices, in the page or in the modal dialog that is on top. */
export function NoticeRegions({ notices }: { notices: Notices }) {
  const place = useObservable(notices.places).at(-1);
  return place ? createPortal(<Regions notices={notices} beside={place.beside} />, place.element) : <Regions notices={notices} beside={false} />;
}

/** Has the notices while it is there: one in each modal dialog. */
export function NoticePlace({ beside = false }: { beside?: boolean }) {
  const { notices } = useApp();
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => (element.current ? notices.within({ element: element.current, beside }) : undefined), [notices, beside]);
  return <div ref={element} className={beside ? "flex max-h-1/2 shrink-0 flex-col" : undefined} />;
}

function Regions({ notices, beside }: { notices: Notices; beside: boolean }) {
  const t = useT();
  const toasts = useObservable(notices.toasts);
  // Those were heard already, elsewhere.
  const [before] = useState(toasts);
  const focus = useFocusOutside(toasts);
  const undone = toasts.findLast(({ action }) => action?.keys);
  return (
    <>
      <Spoken notices={notices} />
      <section
        aria-label={t.notifications}
        className={`flex flex-col items-center gap-2 overflow-y-auto ${beside ? "not-empty:p-2" : "pointer-events-none fixed inset-x-0 top-0 z-50 max-h-full p-3 pb-12"}`}
        {...focus}
      >
        {toasts.map((toast) => (
          <ToastView key={toast.id} toast={toast} alerts={!toast.action && !before.includes(toast)} keys={toast === undone} onDismiss={() => notices.dismiss(toast.id)} />
        ))}
      </section>
    </>
  );
}

/** What is said from now on. It is there before: a region that appears with its text is often not read. */
function Spoken({ notices }: { notices: Notices }) {
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

/** Gives the focus back to where it came from when the toast that had it is gone: once, and not when it was taken elsewhere before. */
function useFocusOutside(toasts: readonly Toast[]) {
  const outside = useRef<HTMLElement>(undefined);
  useLayoutEffect(() => {
    if (document.activeElement !== document.body) return;
    outside.current?.focus();
    outside.current = undefined;
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [toasts]);
  return {
    onFocus: ({ currentTarget, relatedTarget }: React.FocusEvent) => {
      if (relatedTarget instanceof HTMLElement && !currentTarget.contains(relatedTarget)) outside.current = relatedTarget;
    },
    onBlur: ({ currentTarget, relatedTarget }: React.FocusEvent) => {
      // A click beside all that takes the focus leaves too; another window's does not.
      if (!currentTarget.contains(relatedTarget ?? document.activeElement)) outside.current = undefined;
    },
  };
}

interface ToastProps {
  toast: Toast;
  alerts: boolean;
  /** Whether the keys would act on this one. */
  keys: boolean;
  onDismiss: () => void;
}

function ToastView({ toast: { id, text, hint, requestId, action }, alerts, keys, onDismiss }: ToastProps) {
  const t = useT();
  return (
    <div
      data-toast={id}
      role={alerts ? "alert" : "group"}
      aria-label={alerts ? undefined : text}
      className={`pop pointer-events-auto flex w-[min(28rem,100%)] items-center gap-2.5 rounded-m border bg-raised py-2 ps-3.5 pe-1.5 text-sm shadow-high ${action ? "border-line" : "border-danger/40"}`}
    >
      {!action && <CircleAlert size={18} className="shrink-0 text-danger" aria-hidden />}
      <div className="my-1 min-w-0 flex-1 wrap-anywhere">
        <p>{text}</p>
        {hint && <p className="mt-0.5 text-xs text-quiet">{hint}</p>}
        {requestId && (
          <p className="-mb-1 flex items-center gap-1 text-xs text-quiet">
            <span>
              {t.requestId}: <code className="font-mono select-all">{requestId}</code>
            </span>
            <CopyButton text={requestId} label={t.copyOf(t.requestId)} small />
          </p>
        )}
      </div>
      {action && (
        <Button
          look="ghost"
          className="!min-h-8 !px-2.5 !text-accent pointer-coarse:!min-h-11"
          onClick={() => {
            onDismiss();
            action.run();
          }}
        >
          {action.label}
        </Button>
      )}
      {keys && (
        <kbd className="font-sans text-xs whitespace-nowrap text-quiet pointer-coarse:hidden" aria-hidden>
          {action?.keys}
        </kbd>
      )}
      <IconButton label={t.dismiss} onClick={onDismiss}>
        <X size={16} />
      </IconButton>
    </div>
  );
}
