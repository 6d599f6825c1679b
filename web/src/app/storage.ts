// localStorage may be blocked or full; the page then works without a memory.

export function stored(name: string): string | undefined {
  try {
    return localStorage.getItem(`thumbprint.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value; undefined or "" forgets it. */
export function store(name: string, value: string | undefined): void {
  try {
    if (value) localStorage.setItem(`thumbprint.${name}`, value);
    else localStorage.removeItem(`thumbprint.${name}`);
  } catch {
    // See above.
  }
}

/** Leaves nothing of a conversation that is deleted: its draft, and that its rating was asked for. */
export function forgetConversation(id: string): void {
  for (const kept of ["draft", "asked"]) store(`${kept}.${id}`, undefined);
}
