import type { Language } from "../i18n";
import type { Messages } from "../i18n/en";
import { decoded } from "./readable";

/** MLflow's token usage as words; "" when there is none. */
export function tokenWords(t: Messages, language: Language, recorded: unknown): string {
  const input = member(recorded, "input_tokens");
  const output = member(recorded, "output_tokens");
  const total = member(recorded, "total_tokens");
  const number = new Intl.NumberFormat(language);
  if (input !== undefined && output !== undefined) return t.tokenSplit(number.format(input), number.format(output));
  return total === undefined ? "" : t.tokens(total, number.format(total));
}

/** MLflow's cost, in US dollars, as words; "" when there is none. */
export function costWords(language: Language, recorded: unknown): string {
  const total = member(recorded, "total_cost");
  if (total === undefined) return "";
  return new Intl.NumberFormat(language, { style: "currency", currency: "USD", minimumSignificantDigits: 2, maximumSignificantDigits: 3 }).format(total);
}

function member(recorded: unknown, name: string): number | undefined {
  const value = decoded(recorded);
  if (typeof value !== "object" || value === null) return undefined;
  const found = (value as Record<string, unknown>)[name];
  return typeof found === "number" ? found : undefined;
}
