import { createContext, useContext } from "react";
import type { Dimension } from "../api/types";
import { de } from "./de";
import { en, type Messages } from "./en";

/** A further language is one more file and one more line here. */
export const languages = { en, de } satisfies Record<string, Messages>;
export type Language = keyof typeof languages;

interface I18n {
  t: Messages;
  language: Language;
}

const Context = createContext<I18n>({ t: en, language: "en" });

export const I18nProvider = Context.Provider;
export const useI18n = (): I18n => useContext(Context);
export const useT = (): Messages => useContext(Context).t;

/** The language to begin with: the chosen one, else the browser's, else English. */
export function firstLanguage(chosen: string | undefined, preferred: readonly string[]): Language {
  for (const tag of [chosen, ...preferred]) {
    const base = tag?.split("-")[0];
    if (base && base in languages) return base as Language;
  }
  return "en";
}

/** The name of a reason; one the deployer made up is shown as its own words. */
function reasonName(t: Messages, key: string): string {
  return t.reasonNames[key] ?? dimensionName(key);
}

/** The name of a dimension or category as words; they are the deployer's, so there is nothing to translate. */
function dimensionName(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What the deployer calls it in this language, else in one that is near: the same without its region, English, any. */
function labelOf(texts: Record<string, string> | undefined, language: Language): string | undefined {
  if (!texts) return undefined;
  const near = Object.keys(texts).find((tag) => tag.split("-")[0] === language);
  return texts[language] ?? (near ? texts[near] : undefined) ?? texts.en ?? Object.values(texts)[0];
}

/** The name of a dimension: the deployer's label, else its own name as words. */
export function nameOfDimension({ name, label }: Dimension, { language }: I18n): string {
  return labelOf(label, language) ?? dimensionName(name);
}

/** The name of a reason or category of a dimension. */
export function nameOfKey({ labels }: Dimension, key: string, { t, language }: I18n): string {
  return labelOf(labels?.[key], language) ?? reasonName(t, key);
}

/** A day as a person says it. */
export function day(language: Language, time: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date(time));
}

/** A duration as a person says it. */
export function duration(t: Messages, language: Language, ms: number): string {
  const number = (value: number, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(language, options).format(value);
  if (ms < 1) return t.milliseconds(number(ms, { maximumSignificantDigits: 2 }));
  return ms < 1000 ? t.milliseconds(number(ms, { maximumFractionDigits: ms < 10 ? 1 : 0 })) : t.seconds(number(ms / 1000, { maximumFractionDigits: 1 }));
}
