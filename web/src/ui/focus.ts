import { useEffect, useRef } from "react";

/** For a field that takes the place of the button that opened it: gives the focus back when the button is there again, if asked to. */
export function useFocusBack(open: boolean) {
  const opener = useRef<HTMLButtonElement>(null);
  const wanted = useRef(false);
  useEffect(() => {
    if (!open && wanted.current) opener.current?.focus();
    wanted.current = false;
  }, [open]);
  const giveBack = () => {
    wanted.current = true;
  };
  return { opener, giveBack };
}

/** Focuses an element now, so that what is typed next goes there, or once it is drawn. */
export function focusSoon(id: string): void {
  const focus = () => document.getElementById(id)?.focus();
  focus();
  requestAnimationFrame(() => requestAnimationFrame(focus));
}
