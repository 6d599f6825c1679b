import { useQuery } from "@tanstack/react-query";
import { Search, SlidersHorizontal } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../api/client";
import { useT } from "../i18n";
import { Button } from "../ui/controls";
import { filtersOf, isNarrowed, rareFilters, spans, withFilter, type FilterName } from "./filters";

interface Props {
  search: string;
  onChange: (search: string) => void;
}

/** What narrows the list. A text counts once it has not been changed for a moment. */
export function TraceFilters({ search, onChange }: Props) {
  const t = useT();
  const filters = filtersOf(search);
  const [more, setMore] = useState(rareFilters.some((name) => filters[name]));
  const experiments = useQuery({ queryKey: ["experiments"], queryFn: api.experiments, staleTime: 60_000 });
  const set = (name: FilterName) => (value: string) => onChange(withFilter(search, name, value));
  return (
    <search className="mt-2 grid grid-cols-2 items-end gap-2 sm:flex sm:flex-wrap">
      <div className="col-span-2 flex min-h-9 min-w-52 flex-1 items-center gap-2 rounded-m border border-edge bg-raised px-3 text-quiet focus-within:outline-2 focus-within:outline-accent pointer-coarse:min-h-11">
        <Search size={16} aria-hidden />
        <Text name={t.searchTraces} hideName value={filters.q} onChange={set("q")} />
      </div>
      <Choice name={t.state} value={filters.state} onChange={set("state")} options={{ OK: t.stateNames.OK, ERROR: t.stateNames.ERROR, IN_PROGRESS: t.stateNames.IN_PROGRESS }} />
      <Choice name={t.ratings} value={filters.feedback} onChange={set("feedback")} options={{ up: t.goodResponse, down: t.badResponse, any: t.rated, none: t.notRated }} />
      <Choice name={t.time} value={filters.last} onChange={set("last")} options={Object.fromEntries(Object.keys(spans).map((span) => [span, t.lastNames[span as keyof typeof spans]]))} />
      {(experiments.data?.length ?? 0) > 1 && (
        <Choice name={t.experiment} value={filters.experiment_id} onChange={set("experiment_id")} options={Object.fromEntries(experiments.data?.map(({ experiment_id, name }) => [experiment_id, name]) ?? [])} />
      )}
      <Button aria-label={t.moreFilters} aria-expanded={more} aria-controls="more-filters" onClick={() => setMore(!more)}>
        <SlidersHorizontal size={15} aria-hidden />
        <span className="sm:hidden">{t.moreFilters}</span>
      </Button>
      {isNarrowed(search) && (
        <Button look="ghost" onClick={() => onChange("")}>
          {t.clearFilters}
        </Button>
      )}
      <div id="more-filters" hidden={!more} className="col-span-2 w-full grid-cols-1 gap-2 not-[[hidden]]:grid sm:grid-cols-2 lg:grid-cols-3">
        {more &&
          rareFilters.map((name) => (
            <label key={name} className="flex flex-col gap-1 text-xs text-quiet">
              {t.filterNames[name]}
              <span className="flex min-h-9 items-center rounded-m border border-edge bg-raised px-3 focus-within:outline-2 focus-within:outline-accent pointer-coarse:min-h-11">
                <Text name={t.filterNames[name] ?? name} value={filters[name]} onChange={set(name)} numeric={name === "slower_than_ms"} />
              </span>
            </label>
          ))}
      </div>
    </search>
  );
}

interface TextProps {
  name: string;
  value: string | undefined;
  onChange: (value: string) => void;
  hideName?: boolean;
  numeric?: boolean;
}

function Text({ name, value = "", onChange, hideName = false, numeric = false }: TextProps) {
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  const wanted = numeric ? typed.replaceAll(/\D/g, "") : typed.trim();
  if (value !== before) {
    // Changed from elsewhere: the back button, "Clear filters".
    setBefore(value);
    if (value !== wanted) setTyped(value);
  }
  useEffect(() => {
    if (wanted === value) return;
    const timer = setTimeout(() => onChange(wanted), 350);
    return () => clearTimeout(timer);
  });
  return (
    <input
      type={hideName ? "search" : "text"}
      inputMode={numeric ? "numeric" : undefined}
      aria-label={name}
      placeholder={hideName ? name : undefined}
      maxLength={250}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      onBlur={() => setTyped(wanted)}
      className="min-w-0 flex-1 bg-transparent text-sm text-ink outline-none pointer-coarse:text-base"
    />
  );
}

interface ChoiceProps {
  name: string;
  value: string | undefined;
  onChange: (value: string) => void;
  options: Record<string, string>;
}

function Choice({ name, value = "", onChange, options }: ChoiceProps) {
  const t = useT();
  return (
    <select
      aria-label={name}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      className={`min-h-9 truncate sm:max-w-48 rounded-m border border-edge bg-raised px-2.5 text-sm hover:bg-hover pointer-coarse:min-h-11 pointer-coarse:text-base ${value ? "font-medium text-accent" : ""}`}
    >
      <option value="">{t.anyOf(name)}</option>
      {Object.entries(options).map(([key, words]) => (
        <option key={key} value={key}>
          {words}
        </option>
      ))}
      {value && !(value in options) && <option value={value}>{value}</option>}
    </select>
  );
}
