import { Link } from "@tanstack/react-router";
import { Page } from "../components/Page";

/** For an address that the console does not have. */
export function NotFoundPage() {
  return (
    <Page title="There is no such page">
      <p className="empty">
        The console has nothing at <code>{location.pathname}</code>. Go to <Link to="/overview">the overview</Link>, or{" "}
        <Link to="/create">create a task</Link>.
      </p>
    </Page>
  );
}
