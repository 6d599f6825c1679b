import { SlidersHorizontal } from "lucide-react";
import { Popover } from "radix-ui";
import type { Dimension, Feedback } from "../api/types";
import { useT } from "../i18n";
import { IconButton } from "../ui/controls";
import { DetailForm, leaveField } from "./DetailForm";

export const popoverLook =
  "pop z-30 max-h-(--radix-popover-content-available-height) w-[min(23rem,calc(100vw-1.5rem))] overflow-y-auto rounded-l border border-line bg-raised p-4 shadow-high";

interface Props {
  traceId: string;
  agentId?: string;
  dimensions: readonly Dimension[];
  feedback?: Feedback[];
}

/** The way to the further questions that does not lead over a thumb: to look at them again, or where there are no thumbs. */
export function Details(props: Props) {
  const t = useT();
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <IconButton label={t.rateInDetail}>
          <SlidersHorizontal size={16} />
        </IconButton>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content aria-label={t.rateInDetail} side="top" align="start" sideOffset={8} collisionPadding={12} className={popoverLook} onEscapeKeyDown={leaveField} onPointerDownOutside={leaveField}>
          <h2 className="mb-3 font-semibold">{t.rateInDetail}</h2>
          <DetailForm {...props} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
