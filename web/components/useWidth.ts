import { type RefObject, useEffect, useState } from "react";

/** How wide an element is, in px, whenever that changes; `before` it is known. */
export function useWidth(element: RefObject<HTMLElement | null>, before: number): number {
  const [width, setWidth] = useState(before);
  useEffect(() => {
    const observed = element.current;
    if (observed === null) return;
    const look = () => setWidth(observed.clientWidth || before);
    const sizes = new ResizeObserver(look);
    sizes.observe(observed);
    look();
    return () => sizes.disconnect();
  }, [element, before]);
  return width;
}
