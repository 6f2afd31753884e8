import { useCaller, useSession } from "./caller";

/** Who is signed in, and the way out; nothing where the gateway is open. */
export function CallerLine() {
  const caller = useCaller();
  const { signOut } = useSession();
  if (caller === undefined) return null;
  const scopes = caller.scopes.join(", ") || "nothing";
  const agents = caller.agents.includes("*") ? "all agents" : caller.agents.join(", ");
  return (
    <p className="caller">
      <span className="cut" title={`may ${scopes} · ${agents}`}>
        <span className="sr-only">Signed in as </span>
        {caller.name}
      </span>
      <button type="button" className="link" onClick={signOut}>
        Sign out
      </button>
    </p>
  );
}
