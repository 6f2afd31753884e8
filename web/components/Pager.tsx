interface PagerProps {
  /** From 1. */
  page: number;
  pages: number;
  onPage: (page: number) => void;
}

/** Back and forth between the pages of a list; nothing where there is one only. */
export function Pager({ page, pages, onPage }: PagerProps) {
  if (pages <= 1) return null;
  return (
    <nav className="pager" aria-label="Pages of the list">
      <button
        type="button"
        className="button button-small"
        aria-disabled={page === 1}
        onClick={() => page > 1 && onPage(page - 1)}
      >
        Before
      </button>
      <span>
        Page {page} of {pages}
      </span>
      <button
        type="button"
        className="button button-small"
        aria-disabled={page === pages}
        onClick={() => page < pages && onPage(page + 1)}
      >
        Next
      </button>
    </nav>
  );
}
