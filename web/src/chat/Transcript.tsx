import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { useT } from "../i18n";
import { Tip } from "../ui/controls";

/** Pixels from the end that still count as being at it. */
const near = 48;
/** Pixels that are drawn above what is read before the person gets there: a few screens. */
const ahead = 2400;

interface Props {
  busy: boolean;
  /** Changes when the person asked something: then the end is shown again. */
  asked: string;
  /** How many earlier messages are not drawn yet, and how to draw more of them. */
  first: number;
  onEarlier: () => void;
  children: ReactNode;
}

const placeIn = (frame: HTMLElement, element: HTMLElement) => element.getBoundingClientRect().top + frame.scrollTop;

/** What is far away was measured at another width: for two frames nothing is, so that all is measured anew. */
function layOutAll(column: HTMLElement) {
  column.dataset.whole = "";
  requestAnimationFrame(() => requestAnimationFrame(() => delete column.dataset.whole));
}

/** The scrolling part. It follows what is written, unless the person scrolled away. */
export function Transcript({ busy, asked, first, onEarlier, children }: Props) {
  const t = useT();
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const stood = useRef(0);
  /** The first message drawn, and where it stood. */
  const anchor = useRef<{ element: HTMLElement; top: number }>(undefined);
  const [away, setAway] = useState(false);
  const toEnd = useCallback(() => {
    if (!frame.current) return;
    frame.current.scrollTop = frame.current.scrollHeight;
    // Not left to the scroll event: a person's going up may share it, and is measured from here.
    stood.current = frame.current.scrollTop;
  }, []);

  useLayoutEffect(() => {
    sticks.current = true;
    toEnd();
    // The effect is about the change of `asked`, not about its value.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [asked, toEnd]);
  useLayoutEffect(() => {
    const column = content.current;
    if (!column) return;
    let width = column.clientWidth;
    const watcher = new ResizeObserver(() => {
      if (column.clientWidth !== width) layOutAll(column);
      width = column.clientWidth;
      if (sticks.current) toEnd();
    });
    watcher.observe(column);
    // A phone's keyboard takes away from its height.
    if (frame.current) watcher.observe(frame.current);
    return () => watcher.disconnect();
  }, [toEnd]);

  useLayoutEffect(() => {
    const { element, top } = anchor.current ?? {};
    // What was drawn above moves what is read; this moves it back. (Browsers differ in doing so themselves.)
    if (frame.current && element?.isConnected && !sticks.current) frame.current.scrollTop += placeIn(frame.current, element) - (top ?? 0);
    const article = content.current?.querySelector("article");
    anchor.current = article && frame.current ? { element: article, top: placeIn(frame.current, article) } : undefined;
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [first]);
  const drawAhead = useCallback(() => {
    if (first > 0 && frame.current && frame.current.scrollTop < ahead) onEarlier();
  }, [first, onEarlier]);
  useEffect(drawAhead, [drawAhead]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={frame}
        className="h-full overflow-y-auto overflow-x-hidden overscroll-contain [overflow-anchor:none]"
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          // Only who goes up leaves the end: it also gets further away by itself, when much is written at once.
          if (scrollHeight - scrollTop - clientHeight < near) sticks.current = true;
          else if (scrollTop < stood.current) sticks.current = false;
          stood.current = scrollTop;
          setAway(!sticks.current);
          drawAhead();
        }}
      >
        <div
          ref={content}
          id="conversation"
          role="log"
          aria-label={t.transcript}
          aria-busy={busy}
          tabIndex={-1}
          className="mx-auto flex max-w-column flex-col gap-2 px-4 pt-6 pb-8 outline-none sm:px-6"
        >
          {children}
        </div>
      </div>
      {away && (
        <Tip text={t.latest}>
          <button
            type="button"
            aria-label={t.latest}
            onClick={() => {
              sticks.current = true;
              toEnd();
            }}
            className="pop absolute inset-x-0 bottom-3 mx-auto grid size-9 place-items-center rounded-full border border-line bg-raised text-quiet shadow-high hover:text-ink pointer-coarse:size-11"
          >
            <ArrowDown size={17} />
          </button>
        </Tip>
      )}
    </div>
  );
}
