import { useQuery } from "@tanstack/react-query";
import { agentsQuery } from "../api/queries";
import type { Agent, Dimension } from "../api/types";
import { nameOfDimension, nameOfKey, useI18n } from "../i18n";

/** Rated where an agent's configuration says nothing. */
const usualDimensions: readonly Dimension[] = [{ name: "user_feedback", type: "boolean" }];

/** What an agent's deployer asks about its answers. */
export function dimensionsOf(agents: readonly Agent[], id: string | undefined): readonly Dimension[] {
  const dimensions = agents.find((agent) => agent.id === id)?.feedback?.dimensions ?? [];
  return dimensions.length === 0 ? usualDimensions : dimensions;
}

export interface RatingWords {
  /** What the deployer calls the dimension; undefined where only its technical name is known. */
  name: string | undefined;
  value: string;
  reason: (key: string) => string;
}

/** What an agent's deployer calls what people said about its answers: for pages that show ratings. */
export function useRatingWords(agentId: string | undefined): (dimension: string, value: unknown) => RatingWords {
  const i18n = useI18n();
  const agents = useQuery(agentsQuery);
  const dimensions = agents.data?.find(({ id }) => id === agentId)?.feedback?.dimensions;
  return (name, value) => {
    const known = dimensions?.find((dimension) => dimension.name === name);
    const dimension: Dimension = known ?? { name, type: "text" };
    return {
      name: known?.label && nameOfDimension(known, i18n),
      value: wordsOf(value),
      reason: (key) => nameOfKey(dimension, key, i18n),
    };

    function wordsOf(said: unknown): string {
      if (typeof said === "boolean") return said ? i18n.t.yes : i18n.t.no;
      if (Array.isArray(said) && known?.type === "multi_category") return said.map(wordsOf).join(", ");
      if (typeof said !== "string") return JSON.stringify(said) ?? "";
      return dimension.categories?.includes(said) ? nameOfKey(dimension, said, i18n) : said;
    }
  };
}
