import { useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";

interface PageProps {
  title: string;
  /** What stands beside the heading. */
  tools?: ReactNode;
  /** Whether it fills the window, and scrolls inside. */
  isFull?: boolean;
  children: ReactNode;
}

/** A page: its title in the tab, and the focus on its heading when somebody navigated to it. */
export function Page({ title, tools, isFull = false, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const isFirst = useRouterState({ select: (state) => state.resolvedLocation === undefined });
  const wasFirst = useRef(isFirst);
  useEffect(() => {
    document.title = `${title} · MABOS`;
    if (!wasFirst.current) heading.current?.focus();
  }, [title]);
  return (
    <article className={isFull ? "page page-full" : "page"}>
      <header className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {tools}
      </header>
      {children}
    </article>
  );
}
