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
