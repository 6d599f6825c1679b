/** The filters of the list, by their names in the address. All but `last` are the API's own. */
export const filterNames = ["q", "state", "feedback", "experiment_id", "last", "slower_than_ms", "session", "user", "agent", "version", "tag"] as const;
export type FilterName = (typeof filterNames)[number];

/** Those that are folded away until somebody wants them, or one is set. */
export const rareFilters: readonly FilterName[] = ["session", "user", "agent", "version", "tag", "slower_than_ms"];

const hour = 3_600_000;
export const spans = { "1h": hour, "24h": 24 * hour, "7d": 7 * 24 * hour, "30d": 30 * 24 * hour } as const;
export type Span = keyof typeof spans;

export function filtersOf(search: string): Partial<Record<FilterName, string>> {
  const params = new URLSearchParams(search);
  return Object.fromEntries(filterNames.flatMap((name) => (params.get(name) ? [[name, params.get(name)]] : [])));
}

/** The address's query with one filter changed; an empty value takes it away. */
export function withFilter(search: string, name: FilterName, value: string): string {
  const filters = { ...filtersOf(search), [name]: value.trim() };
  const params = new URLSearchParams(filterNames.flatMap((each) => (filters[each] ? [[each, filters[each]]] : [])));
  return params.toString();
}

export const isNarrowed = (search: string): boolean => Object.keys(filtersOf(search)).length > 0;

/** What the API is asked for: `last` is counted from now. */
export function askedFor(search: string, now: Date): Record<string, string> {
  const { last, ...rest } = filtersOf(search);
  const length = last && Object.hasOwn(spans, last) ? spans[last as Span] : undefined;
  return length === undefined ? rest : { ...rest, since: new Date(now.getTime() - length).toISOString() };
}
