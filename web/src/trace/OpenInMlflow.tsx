import { ExternalLink } from "lucide-react";
import { useT } from "../i18n";
import { Tip } from "../ui/controls";

interface Props {
  /** Where MLflow's own page shows the trace; none when MLflow is built in. */
  url: string | undefined;
  /** Only a picture, where there is one for every row. */
  small?: boolean;
}

/** The way to the trace on MLflow's own page. */
export function OpenInMlflow({ url, small = false }: Props) {
  const t = useT();
  if (!url || !/^https?:/.test(url)) return null;
  const link = { href: url, target: "_blank", rel: "noopener noreferrer" };
  if (!small) {
    return (
      <a {...link} className="ms-auto inline-flex min-h-9 items-center gap-1.5 rounded-m border border-line bg-raised px-3 text-sm hover:bg-hover pointer-coarse:min-h-11">
        {t.openInMlflow}
        <ExternalLink size={14} aria-hidden />
      </a>
    );
  }
  return (
    <Tip text={t.openInMlflow}>
      <a {...link} aria-label={t.openInMlflow} className="grid w-11 shrink-0 place-items-center text-quiet -outline-offset-2 hover:bg-hover hover:text-ink">
        <ExternalLink size={15} aria-hidden />
      </a>
    </Tip>
  );
}
