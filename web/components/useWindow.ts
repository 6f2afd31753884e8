import { type RefObject, useEffect, useState } from "react";

/** Every row is so high. */
export const ROW_PX = 32;
/** Rows beyond the edges, so that scrolling shows no gap. */
const BEYOND = 10;

/**
 * Which rows of a long list are in the document: those in sight, some beyond, and `kept`, which may have the focus.
 * Rows are of one height, so this costs the same for ten rows and for a million.
 */
export function useWindow(scroller: RefObject<HTMLElement | null>, count: number, kept: number) {
  const [sight, setSight] = useState({ top: 0, height: 0 });
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const look = () => setSight({ top: element.scrollTop, height: element.clientHeight });
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [scroller]);
  const first = Math.max(0, Math.floor(sight.top / ROW_PX) - BEYOND);
  const end = Math.min(count, Math.ceil((sight.top + sight.height) / ROW_PX) + BEYOND);
  const inSight = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at);
  const isOut = kept < first || kept >= end;
  return {
    indexes: isOut && kept < count ? [...inSight, kept] : inSight,
    /** One past the last of those in sight and beyond. */
    end,
    pageRows: Math.max(1, Math.floor(sight.height / ROW_PX) - 1),
    /** Scroll as little as shows a row whole. */
    show: (index: number) => {
      const element = scroller.current;
      if (element === null) return;
      const top = index * ROW_PX;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + ROW_PX > element.scrollTop + element.clientHeight)
        element.scrollTop = top + ROW_PX - element.clientHeight;
    },
  };
}
