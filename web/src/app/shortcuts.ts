import { useEffect, useRef } from "react";
import type { Messages } from "../i18n/en";
import { useApp } from "./context";
import { useObservable } from "./observable";

const mac = /Mac|iPhone|iPad/.test(navigator.platform);

/** The key that most shortcuts begin with, as it is written on the person's keyboard. */
export const modKey = (t: Messages): string => (mac ? "⌘" : t.ctrlKey);

/** What undoes, as it is written on keys. */
export const undoKeys = (t: Messages): string => (mac ? "⌘Z" : `${t.ctrlKey}+Z`);

export type Shortcut = "stop" | "search" | "newChat" | "focus" | "copyAnswer" | "copyCode" | "undo" | "help";

/** Does `actions` on their keys, where there is something to act on and while the person has shortcuts switched on. False is: nothing to do. */
export function useShortcuts(actions: Record<Shortcut, () => boolean | void>, here: boolean) {
  const { preferences } = useApp();
  const on = useObservable(preferences.shortcuts) && here;
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  useEffect(() => {
    if (!on) return;
    const listen = (event: KeyboardEvent) => {
      const shortcut = shortcutOf(event);
      if (!shortcut) return;
      if (shortcut === "stop" && meansSomethingElse(event)) return;
      // Held down it is still one deletion that is undone.
      if (shortcut === "undo" && (event.repeat || isWritten(event.target))) return;
      if (latest.current[shortcut]() !== false) event.preventDefault();
    };
    // Before others: a tooltip would take Esc for itself.
    addEventListener("keydown", listen, { capture: true });
    return () => removeEventListener("keydown", listen, { capture: true });
  }, [on]);
}

/** Esc also closes menus, forms and dialogs, leaves fields, and ends a composition; those come first. */
function meansSomethingElse({ target, isComposing }: KeyboardEvent): boolean {
  return isComposing || document.querySelector("dialog[open], [role=dialog], [role=menu]") !== null || (target instanceof Element && target.matches("input, textarea:not(#message)"));
}

/** A field with something in it undoes what was typed there. */
function isWritten(target: EventTarget | null): boolean {
  return (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) && target.value !== "";
}

function shortcutOf(event: KeyboardEvent): Shortcut | undefined {
  if (event.key === "Escape") return event.shiftKey ? "focus" : "stop";
  if (!(mac ? event.metaKey : event.ctrlKey) || event.altKey) return undefined;
  const key = event.key.toLowerCase();
  // By its place too: with Shift the key says ":", or something else on another keyboard.
  if (event.shiftKey && (key === ";" || event.code === "Semicolon")) return "copyCode";
  if (event.shiftKey) return key === "o" ? "newChat" : key === "c" ? "copyAnswer" : key === "/" ? "help" : undefined;
  return key === "k" ? "search" : key === "z" ? "undo" : key === "/" ? "help" : undefined;
}
