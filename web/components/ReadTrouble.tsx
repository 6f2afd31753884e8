import type { ReactNode } from "react";
import { GatewayAway, GatewayProblem } from "../api/problems";

interface ReadTroubleProps {
  /** What is not there, such as "The agents". */
  what: string;
  error: Error | null;
  /** Whether an older answer is shown below. */
  hasOlder?: boolean;
  /** What helps. */
  children?: ReactNode;
}

/** Why something could not be read. Of a gateway that is away the foot of the page tells. */
export function ReadTrouble({ what, error, hasOlder = false, children }: ReadTroubleProps) {
  if (error === null || (error instanceof GatewayAway && hasOlder)) return null;
  if (error instanceof GatewayProblem && error.status === 401) return null; // the sign-in says it
  return (
    <div className="card read-trouble" role="alert">
      <p className="error-line">
        {what} cannot be {hasOlder ? "renewed" : "read"}: {error.message}.{" "}
        <span className="quiet">They are asked for again by themselves.</span>
      </p>
      {children}
    </div>
  );
}
