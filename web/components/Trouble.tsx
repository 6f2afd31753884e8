import type { ReactNode } from "react";
import { GatewayProblem } from "../api/problems";

interface TroubleProps {
  error: Error;
  /** Ask again. */
  onRetry?: () => void;
  /** Whether that happens by itself. */
  isRetried?: boolean;
  children?: ReactNode;
}

/** Why something cannot be shown or done, and what helps. */
export function Trouble({ error, onRetry, isRetried = false, children }: TroubleProps) {
  if (error instanceof GatewayProblem && error.status === 401) return null; // the sign-in says it
  return (
    <div className="trouble" role="alert">
      <p>{explain(error)}</p>
      {isRetried && <p className="quiet">It is asked for again by itself.</p>}
      {children}
      {onRetry && !isRetried && (
        <button type="button" className="button button-small" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

function explain(error: Error): string {
  const text = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  if (error instanceof GatewayProblem && error.status === 403) return `Not allowed: ${error.message}.`;
  return text.endsWith(".") ? text : `${text}.`;
}
