import { Check } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { createContext, useCallback, useContext, useRef, type ReactNode } from "react";

const row =
  "flex w-full select-none items-start gap-2 rounded-s px-2.5 py-1.5 text-start text-sm outline-none data-highlighted:bg-hover pointer-coarse:py-2.5";

interface MenuProps {
  trigger: ReactNode;
  label?: string;
  align?: "start" | "end";
  side?: "top" | "bottom";
  children: ReactNode;
}

/** Takes what an item does, for when the menu has given the focus back: then a dialog gives it back too, and a field keeps it. */
const Choose = createContext<(act: () => void) => void>((act) => act());

/** A menu at its button. Not modal: the page behind stays scrollable. */
export function Menu({ trigger, align = "start", side = "bottom", children }: MenuProps) {
  const chosen = useRef<() => void>(undefined);
  const choose = useCallback((act: () => void) => void (chosen.current = act), []);
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      {/* In place, not in a portal: a menu then belongs to its landmark, and works inside a modal dialog. */}
        <DropdownMenu.Content
          align={align}
          side={side}
          sideOffset={6}
          onCloseAutoFocus={() => {
            const act = chosen.current;
            chosen.current = undefined;
            // The focus moves when this returns.
            if (act) queueMicrotask(act);
          }}
          collisionPadding={8}
          className="pop z-40 max-h-(--radix-dropdown-menu-content-available-height) w-max max-w-[min(22rem,calc(100vw-1rem))] min-w-44 overflow-y-auto rounded-m border border-line bg-raised p-1 shadow-high"
        >
          <Choose value={choose}>{children}</Choose>
        </DropdownMenu.Content>
    </DropdownMenu.Root>
  );
}

interface ItemProps {
  icon?: ReactNode;
  danger?: boolean;
  onSelect: () => void;
  children: ReactNode;
}

export function MenuItem({ icon, danger, onSelect, children }: ItemProps) {
  const choose = useContext(Choose);
  return (
    <DropdownMenu.Item className={`${row} ${danger ? "text-danger" : ""}`} onSelect={() => choose(onSelect)}>
      {icon && <span className="mt-0.5">{icon}</span>}
      {children}
    </DropdownMenu.Item>
  );
}

export interface Option {
  value: string;
  name: string;
  description?: string;
}

interface ChoiceProps {
  label: string;
  options: Option[];
  value: string;
  onChange: (value: string) => void;
}

export function MenuChoice({ label, options, value, onChange }: ChoiceProps) {
  return (
    <DropdownMenu.RadioGroup value={value} onValueChange={onChange} aria-label={label}>
      <DropdownMenu.Label className="px-2.5 pt-2 pb-1 text-xs font-medium text-quiet">{label}</DropdownMenu.Label>
      {options.map((option) => (
        <DropdownMenu.RadioItem key={option.value} value={option.value} className={row} aria-label={option.name} textValue={option.name}>
          <span className="mt-0.5 grid size-4 shrink-0 place-items-center">
            <DropdownMenu.ItemIndicator>
              <Check size={15} className="text-accent" />
            </DropdownMenu.ItemIndicator>
          </span>
          <span>
            {option.name}
            {option.description && <span className="block text-xs text-quiet">{option.description}</span>}
          </span>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  );
}

export function MenuLine() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />;
}
