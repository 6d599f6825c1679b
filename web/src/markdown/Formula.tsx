import { useLayoutEffect, useRef } from "react";
import { Later, useLater } from "../app/later";

const formulas = new Later(() => import("./formulas"));

/** What draws formulas, once it is loaded; it is only loaded where `needed`. Until then the TeX is shown. */
export const useFormulas = (needed: boolean) => useLater(formulas, needed);

interface Props {
  tex: string;
  display: boolean;
}

/** A formula; its TeX where it is not one, or not one yet. */
export function Formula({ tex, display }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  const drawing = useFormulas(true);
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    try {
      if (!drawing) throw new Error("not loaded");
      drawing.draw(tex, element, display);
      element.classList.remove("tex");
    } catch {
      element.textContent = tex;
      element.classList.add("tex");
    }
  }, [tex, display, drawing]);
  if (!display) return <span ref={place} dir="ltr" />;
  return (
    // Reachable by keyboard, because it scrolls on a narrow page.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <span ref={place} dir="ltr" tabIndex={0} className="block max-w-full overflow-x-auto py-1" />
  );
}
