import { useLayoutEffect, useRef, useSyncExternalStore } from "react";

type Formulas = typeof import("./formulas");

let loaded: Formulas | undefined;
let loading: Promise<void> | undefined;
const watchers = new Set<() => void>();

async function load(): Promise<void> {
  try {
    loaded = await import("./formulas");
  } catch {
    loading = undefined; // the TeX is shown; the next text tries again
  }
  for (const watcher of watchers) watcher();
}

const nothing = () => () => {};
const watch = (watcher: () => void) => {
  loading ??= load();
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

/** What draws formulas, once it is loaded; it is only loaded where `needed`. */
export function useFormulas(needed: boolean): Formulas | undefined {
  return useSyncExternalStore(needed ? watch : nothing, () => (needed ? loaded : undefined));
}

interface Props {
  tex: string;
  display: boolean;
}

/** A formula; its TeX where it is not one, or not one yet. */
export function Formula({ tex, display }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  const formulas = useFormulas(true);
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    try {
      if (!formulas) throw new Error("not loaded");
      formulas.draw(tex, element, display);
      element.classList.remove("tex");
    } catch {
      element.textContent = tex;
      element.classList.add("tex");
    }
  }, [tex, display, formulas]);
  if (!display) return <span ref={place} dir="ltr" />;
  return (
    // Reachable by keyboard, because it scrolls on a narrow page.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <span ref={place} dir="ltr" tabIndex={0} className="block max-w-full overflow-x-auto py-1" />
  );
}
