import { Observable, useObservable } from "./observable";

/** The pages there are. A conversation without an id is a new one. */
export type Place =
  | { page: "chat"; conversation?: string }
  | { page: "trace"; message?: string; trace?: string }
  | { page: "traces"; search: string }
  | { page: "share"; token: string };

/** The place of an address of ours: its path, and its query if it has one. */
export function placeOf(address: string): Place {
  const [path = "", search = ""] = address.split("?");
  const [, all, trace] = /^\/(traces)(?:\/([^/]+))?\/?$/.exec(path) ?? [];
  if (all) return trace ? { page: "trace", trace: decode(trace) } : { page: "traces", search };
  const [, page, id] = /^\/(c|trace|share)\/([^/]+)\/?$/.exec(path) ?? [];
  if (page === "trace" && id) return { page: "trace", message: decode(id) };
  if (page === "share" && id) return { page: "share", token: decode(id) };
  return page === "c" && id ? { page: "chat", conversation: decode(id) } : { page: "chat" };
}

export function pathOf(place: Place): string {
  if (place.page === "trace") return place.trace === undefined ? `/trace/${encodeURIComponent(place.message ?? "")}` : `/traces/${encodeURIComponent(place.trace)}`;
  if (place.page === "traces") return `/traces${place.search ? `?${place.search}` : ""}`;
  if (place.page === "share") return `/share/${encodeURIComponent(place.token)}`;
  return place.conversation ? `/c/${encodeURIComponent(place.conversation)}` : "/";
}

function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

const address = () => location.pathname + location.search;
const current = new Observable<Place>(placeOf(address()));
addEventListener("popstate", () => current.set(placeOf(address())));

export const usePlace = (): Place => useObservable(current);
export const here = (): Place => current.get();

export function go(place: Place, how: "push" | "replace" = "push", from?: string): void {
  const path = pathOf(place);
  if (path !== address()) {
    try {
      history[how === "push" ? "pushState" : "replaceState"]({ from }, "", path);
    } catch {
      // Browsers take only so many a second; the page is where it was asked to be all the same.
    }
  }
  current.set(place);
}

/** The path this page was opened from, when it was opened from another of ours. */
export function cameFrom(): string | undefined {
  return (history.state as { from?: string } | null)?.from;
}

interface LinkOptions {
  from?: string;
  after?: () => void;
}

/** Props for a link that stays within the page, yet opens in a tab like any link. */
export function linkTo(place: Place, { from, after }: LinkOptions = {}) {
  return {
    href: pathOf(place),
    onClick(event: React.MouseEvent) {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      go(place, "push", from);
      after?.();
    },
  };
}
