// localStorage may be blocked or full; the page then works without a memory.

/** The name as localStorage and its events have it. */
export const keyOf = (name: string): string => `thumbprint.${name}`;

export function stored(name: string): string | undefined {
  try {
    return localStorage.getItem(keyOf(name)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value; undefined or "" forgets it. False where the browser refuses. */
export function store(name: string, value: string | undefined): boolean {
  try {
    if (value) localStorage.setItem(keyOf(name), value);
    else localStorage.removeItem(keyOf(name));
    return true;
  } catch {
    return false;
  }
}

/** The rest of all names that begin so. */
export function storedNames(prefix: string): string[] {
  try {
    return Object.keys(localStorage).flatMap((key) => (key.startsWith(keyOf(prefix)) ? [key.slice(keyOf(prefix).length)] : []));
  } catch {
    return [];
  }
}

/** Leaves nothing of a conversation that is deleted: its draft, and that its rating was asked for. */
export function forgetConversation(id: string): void {
  for (const kept of ["draft", "asked"]) store(`${kept}.${id}`, undefined);
}
