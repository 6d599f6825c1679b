import { useLayoutEffect, useRef, type ReactNode } from "react";
import { NoticePlace } from "./notices";

interface Props {
  label: string;
  onClose: () => void;
  /** "centre" is a card, "side" a drawer at the start edge: what is in it has the place of the notices. */
  place?: "centre" | "side";
  /** An alert dialog asks something that must be answered. */
  role?: "dialog" | "alertdialog";
  children: ReactNode;
}

const places = {
  centre: "m-auto w-[min(30rem,calc(100vw-2rem))] rounded-l border border-line bg-raised p-5 shadow-high",
  side: "m-0 h-dvh max-h-none w-[min(19rem,86vw)] max-w-none border-e border-line bg-sunken shadow-high",
};

/**
 * The platform's own modal dialog: it makes the rest inert, keeps the focus,
 * closes on Esc and gives the focus back. A click beside it closes it too.
 */
export function Modal({ label, onClose, place = "centre", role = "dialog", children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  // As a layout's effect it is undone while the dialog is still in the page: closed later, it would give no focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    // The click beside the card is a convenience; Esc and the buttons do the same.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={dialog}
      role={role}
      aria-label={label}
      className={`pop ${places[place]}`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={(event) => {
        // The platform would do this, but a tooltip in the dialog takes the key for itself. A menu may.
        if (event.key !== "Escape" || event.nativeEvent.isComposing || (event.target as Element).closest("[role=menu]")) return;
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === event.currentTarget && beside(event)) onClose();
      }}
    >
      {children}
      {place === "centre" && <NoticePlace />}
    </dialog>
  );
}

function beside(event: React.MouseEvent<HTMLElement>): boolean {
  const box = event.currentTarget.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}
