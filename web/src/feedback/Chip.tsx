interface Props {
  name: string;
  on: boolean;
  onToggle: () => void;
}

/** A reason or a category that is chosen or not. */
export function Chip({ name, on, onToggle }: Props) {
  return (
    <button
      type="button"
      aria-pressed={on}
      onClick={onToggle}
      className={`min-h-8 rounded-full border px-3 text-[0.8125rem] transition-colors pointer-coarse:min-h-11 ${on ? "border-accent bg-accent-soft font-medium text-accent-strong" : "border-edge hover:bg-hover"}`}
    >
      {name}
    </button>
  );
}
