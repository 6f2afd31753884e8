import type { ReactNode } from "react";

export interface Tile {
  name: string;
  /** The number, perhaps as a link. */
  value: ReactNode;
  /** What belongs to it, in small. */
  more?: ReactNode;
  /** Whether somebody should look at it. */
  isBad?: boolean;
}

/** A few numbers, large. They stand in their places before they are known. */
export function Tiles({ tiles }: { tiles: readonly Tile[] }) {
  return (
    <dl className="tiles">
      {tiles.map(({ name, value, more, isBad }) => (
        <div key={name} className={isBad ? "card tile tile-bad" : "card tile"}>
          <dt>{name}</dt>
          <dd className="tile-value">{value}</dd>
          <dd className="quiet">{more || "\u00a0"}</dd>
        </div>
      ))}
    </dl>
  );
}
