import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { Choice } from "../components/Choice";
import { SignInPage } from "../pages/SignInPage";
import { CallerLine } from "./CallerLine";
import { useRefusal } from "./caller";
import { GatewayBanner } from "./gateway";
import { usePreference } from "./preferences";
import { ShortcutList } from "./ShortcutList";
import { useShortcut } from "./shortcuts";

const PAGES = [
  { to: "/overview", name: "Overview", keys: "g o" },
  { to: "/live", name: "Live", keys: "g l" },
  { to: "/tasks", name: "Tasks", keys: "g t" },
  { to: "/create", name: "Create a task", keys: "g c" },
  { to: "/agents", name: "Agents", keys: "g a" },
  { to: "/workers", name: "Workers", keys: "g w" },
  { to: "/dead-letters", name: "Dead letters", keys: "g d" },
  { to: "/replay", name: "Replay", keys: "g r" },
] as const;

const THEMES = [
  { value: "system", label: "System" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
] as const;

/** What is round every page: the way past it, the pages, the theme, and whether the gateway is there. */
export function Shell() {
  const [theme, setTheme] = usePreference("theme");
  const list = useRef<HTMLDialogElement>(null);
  const showKeys = () => list.current?.showModal();
  const isAsked = useRefusal() !== null;
  useShortcut("?", "Show the keys", showKeys);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="side">
        <p className="brand">
          <img src="/favicon.svg" alt="" width="22" height="22" /> MABOS
        </p>
        <nav aria-label="Pages">
          <ul>
            {PAGES.map((page) => (
              <li key={page.to}>
                <Link to={page.to} activeOptions={{ includeSearch: false }}>
                  {page.name}
                </Link>
                <PageKeys {...page} />
              </li>
            ))}
          </ul>
        </nav>
        <div className="side-foot">
          <CallerLine />
          <a href="/docs">API</a>
          <button type="button" className="link" onClick={showKeys}>
            Keys
          </button>
          <Choice name="Theme" value={theme} options={THEMES} onChange={setTheme} />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {isAsked ? <SignInPage /> : <Outlet />}
      </main>
      <GatewayBanner />
      <ShortcutList dialog={list} />
    </div>
  );
}

/** The keys that go to a page. */
function PageKeys({ to, name, keys }: (typeof PAGES)[number]) {
  const navigate = useNavigate();
  useShortcut(keys, `Go to ${name}`, () => void navigate({ to }));
  return null;
}
