/** The mark: the ridges of a thumb. */
export function Logo({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" aria-hidden>
      <path d="M6 20v-4a10 10 0 0 1 20 0v3" />
      <path d="M10.5 24c.4-2 .5-4 .5-7.5a5 5 0 0 1 10 0c0 4-.3 7-1.3 10" />
      <path d="M16 16.5c0 5-.3 8-1.8 11.5" />
    </svg>
  );
}
