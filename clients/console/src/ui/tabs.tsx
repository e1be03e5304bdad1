// The parts of a page, as links: each has its own address.

export type Tab = readonly [title: string, address: string, here: boolean];

export function Tabs({ label, of }: { label: string; of: readonly Tab[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {of.map(([title, address, here]) => (
        <a key={title} href={address} aria-current={here ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}
